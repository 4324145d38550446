"""Raw files are found and read wherever they lie; an archive that reaches outside is refused."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import recbole
from recbole.data.sources.raw_files import RawFiles
from recbole.errors import DataError

MEMBERS = {
    "set/a.csv": b"one\r\ntwo\n",
    "set/deep/a.csv": b"deeper",
    "set/b.csv.gz": gzip.compress(b"packed"),
    "._b.csv": b"shadow",
}


def as_folder(path: Path, members: dict[str, bytes]) -> Path:
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def as_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("folder", as_folder),
        ("raw.zip", as_zip),
        ("raw.tar", as_tar),
        ("raw.tgz", as_tar),
        ("raw.tar.gz", as_tar),
    ],
)
def test_files_in_folders_and_archives(
    tmp_path: Path, name: str, pack: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    raw = RawFiles(pack(tmp_path / name, MEMBERS))
    with raw.required("A.csv", layout="x").text() as lines:
        assert list(lines) == ["one\n", "two\n"]
    with raw.required("a.csv", layout="x").text(newline="") as lines:
        assert list(lines) == ["one\r\n", "two\n"]
    with raw.required("none.csv", "b.*", layout="x").text() as lines:
        assert lines.read() == "packed"
    with raw.required("*.csv", but_not="a*", layout="x").text() as lines:
        assert lines.read() == "packed"


def test_single_files(tmp_path: Path) -> None:
    as_folder(tmp_path, MEMBERS)
    raw = RawFiles(tmp_path / "set" / "a.csv", tmp_path / "set" / "b.csv.gz")
    with raw.required("b.csv", layout="x").text() as lines:
        assert lines.read() == "packed"


def test_what_is_missing_or_meant_twice_is_named(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "raw", {**MEMBERS, "more/a.csv": b""})
    raw = RawFiles(folder)
    with pytest.raises(
        DataError, match=r"expected one file 'a\.csv', got .*more/a\.csv and .*set/"
    ):
        raw.required("a.csv", layout="x")
    with pytest.raises(DataError, match=r"c\.csv or d\.csv is missing: expected a file of rows; "
                       r"there is a\.csv, b\.csv\. Did you mean"):  # fmt: skip
        raw.required("c.csv", "d.csv", layout="rows")
    with pytest.raises(DataError, match=r"raw2: no such file or folder\. Did you mean 'raw'"):
        RawFiles(tmp_path / "raw2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is no file"):
        RawFiles(tmp_path / "empty").required("c.csv", layout="rows")


OUTSIDE = ["../evil", "/evil", "a/../../evil", "C:\\evil", "..\\evil"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize(("file", "pack"), [("raw.zip", as_zip), ("raw.tgz", as_tar)])
def test_an_archive_that_reaches_outside_is_refused(
    tmp_path: Path, name: str, file: str, pack: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    path = pack(tmp_path / file, {**MEMBERS, name: b"x"})
    with pytest.raises(DataError, match=rf"{file} is refused: its member .* leads outside"):
        RawFiles(path)
    assert [left.name for left in tmp_path.iterdir()] == [file]


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("secret")
    with tarfile.open(tmp_path / "raw.tar", "w") as archive:
        link = tarfile.TarInfo("a.csv")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.csv")
        archive.addfile(link)
    with pytest.raises(DataError, match="there is no file"):
        RawFiles(tmp_path / "raw.tar").required("a.csv", layout="x")


def read(path: Path, name: str) -> str:
    with RawFiles(path).required(name, layout="x").text() as lines:
        return lines.read()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    body = os.urandom(50_000).hex().encode()
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(body)[:-500])
    with pytest.raises(DataError, match=r"cut\.csv\.gz is damaged or was cut off"):
        read(tmp_path / "cut.csv.gz", "cut.csv")
    (tmp_path / "no.csv.gz").write_bytes(b"not packed")
    with pytest.raises(DataError, match=r"no\.csv\.gz is damaged or was cut off"):
        read(tmp_path / "no.csv.gz", "no.csv")
    whole = as_zip(tmp_path / "crc.zip", {"a.csv": body}).read_bytes()
    (tmp_path / "crc.zip").write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    with pytest.raises(DataError, match=r"crc\.zip/a\.csv is damaged or was cut off"):
        read(tmp_path / "crc.zip", "a.csv")
    (tmp_path / "odd.tar").write_bytes(b"odd")
    with pytest.raises(DataError, match=r"odd\.tar is damaged, or no archive"):
        RawFiles(tmp_path / "odd.tar")
    tar = as_tar(tmp_path / "half.tgz", {"a.csv": body}).read_bytes()
    (tmp_path / "half.tgz").write_bytes(tar[: len(tar) // 2])
    with pytest.raises(DataError, match=r"half\.tgz is damaged, or no archive"):
        RawFiles(tmp_path / "half.tgz")


def test_nothing_stays_open(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from recbole.data.sources.raw_files import RawFiles\n"
        "for path in map(Path, sys.argv[1:]):\n"
        "    with RawFiles(path).required('a.csv', layout='x').text() as lines: lines.read()\n"
    )
    paths = [as_zip(tmp_path / "raw.zip", MEMBERS), as_tar(tmp_path / "raw.tgz", MEMBERS)]
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code, *paths],
        env={**os.environ, "PYTHONPATH": str(Path(recbole.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
