"""What the tests of converters share: raw files in, the text of atomic files out."""

from __future__ import annotations

from pathlib import Path

from recbole.data.sources.atomic_folder import AtomicFolder
from recbole.data.sources.raw_files import RawFiles
from recbole.data.sources.registry import find_source


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def convert(name: str, *raw: Path) -> dict[str, list[str]]:
    """The lines of each atomic file, by its suffix; the header says what the source promises."""
    source = find_source(name)
    assert source is not None
    out = raw[0].parent / "out"
    source.convert(RawFiles(*raw), AtomicFolder(out, name))
    made = {
        path.suffix[1:]: path.read_bytes().decode("utf-8").split("\n") for path in out.iterdir()
    }
    assert {suffix: tuple(lines[0].split("\t")) for suffix, lines in made.items()} == dict(
        source.columns
    )
    for lines in made.values():
        assert lines.pop() == ""
        assert {line.count("\t") for line in lines} == {lines[0].count("\t")}
        assert not any("\r" in line for line in lines)
    return {suffix: lines[1:] for suffix, lines in made.items()}
