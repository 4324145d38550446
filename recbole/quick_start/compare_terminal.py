"""A comparison in the terminal: two tables, side by side where there is room."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from recbole.quick_start.comparison import Comparison, HeldOut, ListedItem, RankedList

_WIDTH_OF_A_FILE = 160
_SIDE_BY_SIDE = 120
_LEGEND = (
    "★ held-out positive   ○ held out, not a click   ⇄ in both lists, with its rank in the other"
)
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print both lists, what they have in common and what the marks mean."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=_WIDTH_OF_A_FILE)
    console.print(Text(f"User {comparison.user} of {comparison.dataset}", style="bold"))
    console.print(Text(comparison.summary()))
    tables = [_table(ranked) for ranked in comparison.lists]
    if console.width >= _SIDE_BY_SIDE:
        grid = Table.grid(padding=(0, 2), expand=True)
        for _ in tables:
            grid.add_column(ratio=1)
        grid.add_row(*tables)
        console.print(grid)
    else:
        console.print(Group(*tables))
    console.print(Text(_LEGEND, style="dim"))


def _table(ranked: RankedList) -> Table:
    title = Text.assemble((f"{ranked.letter}  {ranked.name}", "bold"), f"\n{_facts(ranked)}")
    table = Table(title=title, title_justify="left", title_style="", expand=True, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("item", ratio=3)
    has_genres = any(item.genres for item in ranked.items)
    if has_genres:
        table.add_column("genres", ratio=2, style="dim")
    table.add_column("click", justify="right", no_wrap=True)
    if ranked.levels:
        table.add_column("rating", no_wrap=True)
    table.add_column("marks", no_wrap=True)
    for item in ranked.items:
        genres = [", ".join(item.genres)] if has_genres else []
        cells = [str(item.rank), item.title, *genres, f"{item.click:.1%}"]
        if item.expected is not None:
            cells.append(f"{item.expected:.2f} {_bars(item)}")
        cells.append(_marks(item))
        liked = item.held_out is not None and item.held_out.liked
        # Text, as a title may hold what rich would take for markup.
        table.add_row(*(Text(cell) for cell in cells), style="bold" if liked else "")
    return table


def _facts(ranked: RankedList) -> str:
    metrics = [
        f"test {name} {ranked.test_result[key]:.4f}"
        for key, name in (("auc", "AUC"), ("logloss", "LogLoss"))
        if ranked.test_result.get(key) is not None
    ]
    return ", ".join([f"{ranked.model}, {ranked.head}", *metrics])


def _bars(item: ListedItem) -> str:
    return "".join(_EIGHTHS[max(1, round(8 * probability))] for probability in item.classes)


def _marks(item: ListedItem) -> str:
    both = "" if item.other_rank is None else f"⇄ {item.other_rank}"
    return " ".join(filter(None, (_held_out(item.held_out), both)))


def _held_out(held_out: HeldOut | None) -> str:
    if held_out is None:
        return ""
    star = "★" if held_out.liked else "○"
    return star if held_out.rating is None else f"{star} {held_out.rating:g}"


def print_path(path: Path) -> None:
    """Say where the page is."""
    Console(soft_wrap=True).print(Text(f"Page: {path}"))
