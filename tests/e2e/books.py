"""The README's example of own data, written out: its header and rows, and more rows like them."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def books_of_the_readme() -> str:
    """The lines of `books.csv` that the README shows."""
    (shown,) = re.findall(r"`books.csv`:\n\n```\n(.*?)```", README, re.DOTALL)
    return shown


def write_books(path: Path, shown: str) -> None:
    """Write the rows shown and 1,500 others, in Excel's way: a byte order mark and CRLF."""
    random = np.random.default_rng(5)
    rows = list(csv.reader(io.StringIO(shown)))
    taste, appeal = random.normal(size=60), random.normal(size=40)
    for number in range(1500):
        user, item = random.integers(60), random.integers(40)
        rating = min(10, max(1, round(6.6 + 2 * taste[user] * appeal[item] + random.normal())))
        price = f"{5 + item / 2:.2f}" if number % 7 else ""
        themes = "|".join(["Classics", "Humour", "Science Fiction"][: 1 + item % 3])
        moment = f"2026-0{1 + number % 9}-1{number % 10} 1{number % 10}:00:00"
        rows.append([f"{user:04d}", f"{item:010d}", str(rating), moment, price, themes])
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    path.write_text("\ufeff" + text.getvalue(), encoding="utf-8", newline="")
