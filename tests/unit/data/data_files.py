"""Small atomic files, and a stand-in for Config, for the tests of recbole.data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole.data import DataOptions, Dataset, create_dataset

INTER = """user_id:token	item_id:token	rating:float	timestamp:float
u1	a	5	10
u2	a	3	20
u1	b	4	30
u3	c	1	40
u2	c	2	50
u3	a	5	60
"""
USER = "user_id:token\tage:token\tincome:float\nu3\t30\t3\nu1\t20\t1\nu2\t30\t\nu9\t40\t9\n"
ITEM = (
    "item_id:token\tgenre:token_seq\tvector:float_seq\n"
    "c\tx y\t0.5 1.5\n"
    "a\ty\t2.5\n"
    "b\t\t\n"
    "z\tz\t3.5 4.5 5.5\n"
)


class StandIn:
    """What data preparation reads of a Config."""

    def __init__(self, folder: Path, name: str = "toy", seed: int = 2020, **options: Any) -> None:
        self.data = DataOptions(data_path=str(folder), **options)
        self._values = {"dataset": name, "seed": seed, "device": "cpu", "shuffle_levels": False}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]


def write(folder: Path, name: str = "toy", **files: str | bytes) -> Path:
    """Write `<folder>/<name>/<name>.<suffix>` for each suffix given."""
    (folder / name).mkdir(exist_ok=True, parents=True)
    for suffix, text in files.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / name / f"{name}.{suffix.replace('_', '.')}").write_bytes(data)
    return folder


def prepared(folder: Path, files: dict[str, str] | None = None, **options: Any) -> Dataset:
    """A Dataset of the files above, or of those given."""
    write(folder, **(files if files is not None else {"inter": INTER, "user": USER, "item": ITEM}))
    return create_dataset(StandIn(folder, **options))
