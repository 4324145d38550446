"""`--show_config`: every option with its value, where that comes from and what it means."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recbole.config import Config

_WIDTH_OF_A_FILE = 160


def show_config(config: Config) -> None:
    """Print the effective options, one table for each group, to the standard output."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    console.print(f"{config.model} on {config.dataset}", style="bold")
    for note in config.notes:
        console.print(Text(f"warning: {note}"), style="yellow")
    for group, options in config.groups().items():
        table = Table("option", "value", "source", "meaning", title=group, title_justify="left")
        for name in config.names_of(group):
            described = type(options).model_fields.get(name)
            meaning = described.description if described and described.description else ""
            source = config.sources[name]
            style = "" if source == "default" else "bold"
            row = (name, repr(config[name]), source, meaning)
            table.add_row(*(Text(cell, style=style) for cell in row))
        console.print(table)
