"""The raw MovieLens files become RecBole's atomic files, byte for byte."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from recbole.data.sources.atomic_folder import AtomicFolder
from recbole.data.sources.movielens import ML_100K_GENRES
from recbole.data.sources.raw_files import RawFiles
from recbole.data.sources.registry import SOURCES
from recbole.errors import DataError

SHARED = Path(os.environ.get("RECBOLE_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))


def flags(*genres: str) -> str:
    return "|".join("1" if genre in genres else "0" for genre in ML_100K_GENRES)


RAW_100K = {
    "u.data": "196\t242\t3\t881250949\n186\t302\t5\t0\n",
    "u.user": "1|24|M|technician|85711\n2|7|F|other|T8H1N\n",
    "u.item": "\n".join(
        [
            f"1|Toy Story (1995)|01-Jan-1995||http://x/M?Toy%20(1995)|{flags('Animation')}",
            f"2|Cérémonie, La (1995)|01-Jan-1995||http://x|{flags('War', 'Action', 'unknown')}",
            f"3|Seven (Se7en) (1995)|||http://x|{flags('Western', 'Film-Noir')}",
            f"4|\"Either\" | 'Or' (1996) |23-Feb-1996||http://x|{flags('Sci-Fi')}",
            f"5|Great Giving (1995) (V)|||http://x|{flags('Comedy')}",
            f"6|unknown||||{flags('unknown')}",
            f"7|No Year at All||||{flags()}",
        ]
    )
    + "\n",
}
ATOMIC_100K = {
    "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "196\t242\t3\t881250949\n186\t302\t5\t0\n",
    "ml-100k.user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    "1\t24\tM\ttechnician\t85711\n2\t7\tF\tother\tT8H1N\n",
    "ml-100k.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "1\tToy Story\t1995\tAnimation\n"
    "2\tCérémonie, La\t1995\tunknown Action War\n"
    "3\tSeven (Se7en)\t1995\tFilm-Noir Western\n"
    "4\t\"Either\" | 'Or'\t1996\tSci-Fi\n"
    "5\tGreat Giving (1995)\tV\tComedy\n"
    "6\tunkonwn\tunkonwn\tunknown\n"
    "7\tNo Year at All\tunkonwn\t\n",
}
RAW_1M = {
    "ratings.dat": "1::1193::5::978300760\n6040::1::1::956704746\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::98107-2117\n",
    "movies.dat": "1::Toy Story (1995)::Animation|Children's|Comedy\n"
    "2::Misérables, Les (1995)::Drama\n"
    "3::Associate, The (L'Associe)(1982)::Comedy\n"
    '4::Mission::"Impossible" (1996)::Action|Film-Noir\n'
    "5::Two (1998) (2000)::War\n",
}
ATOMIC_1M = {
    "ml-1m.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "1\t1193\t5\t978300760\n6040\t1\t1\t956704746\n",
    "ml-1m.user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    "1\t1\tF\t10\t48067\n2\t56\tM\t16\t98107-2117\n",
    "ml-1m.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tgenre:token_seq\n"
    "1\tToy Story\t1995\tAnimation Children's Comedy\n"
    "2\tMisérables, Les\t1995\tDrama\n"
    "3\tAssociate, The (L'Associe)\t1982\tComedy\n"
    '4\tMission::"Impossible"\t1996\tAction Film-Noir\n'
    "5\tTwo (1998)\t2000\tWar\n",
}
RAW_10M = {
    "ratings.dat": "1::122::5::838985046\n2::7::0.5::838983525\n2::8::3.5::1\n2::9::4.0::1\n",
    "movies.dat": "1::Toy Story (1995)::Adventure|Animation\n"
    "2::Misérables, Les (1995)::Drama\n"
    "3::Love :: Hate (2007)::(no genres listed)\n",
}
ATOMIC_10M = {
    "ml-10m.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "1\t122\t5\t838985046\n2\t7\t0.5\t838983525\n2\t8\t3.5\t1\n2\t9\t4.0\t1\n",
    "ml-10m.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tgenre:token_seq\n"
    "1\tToy Story\t1995\tAdventure Animation\n"
    "2\tMisérables, Les\t1995\tDrama\n"
    "3\tLove :: Hate\t2007\t\n",
}
DATA_SETS = {
    "ml-100k": (RAW_100K, ATOMIC_100K),
    "ml-1m": (RAW_1M, ATOMIC_1M),
    "ml-10m": (RAW_10M, ATOMIC_10M),
}


def convert(name: str, raw: Path, out: Path) -> None:
    SOURCES[name].convert(RawFiles(raw), AtomicFolder(out, name))


def write_raw(
    folder: Path, files: dict[str, str], newline: str = "\n", encoding: str = "latin-1"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.replace("\n", newline).encode(encoding))
    return folder


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("name", DATA_SETS)
def test_conversion_gives_recboles_columns_byte_for_byte(
    tmp_path: Path, name: str, newline: str
) -> None:
    raw, atomic = DATA_SETS[name]
    encoding = "utf-8" if name == "ml-10m" else "latin-1"
    convert(name, write_raw(tmp_path / "raw", raw, newline, encoding), tmp_path / "out")
    made = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert made == {file: text.encode("utf-8") for file, text in atomic.items()}


def test_a_last_line_without_line_end_counts(tmp_path: Path) -> None:
    raw = {**RAW_1M, "ratings.dat": "1::2::3::4\n5::6::1::8"}
    convert("ml-1m", write_raw(tmp_path / "raw", raw), tmp_path)
    assert (tmp_path / "ml-1m.inter").read_text().splitlines()[1:] == ["1\t2\t3\t4", "5\t6\t1\t8"]


@pytest.mark.parametrize(
    ("name", "file", "bad"),
    [
        ("ml-100k", "u.data", "1\t2\t3"),
        ("ml-100k", "u.data", "1\t2\t6\t7"),
        ("ml-100k", "u.data", "1\t2\t3\t4\t5"),
        ("ml-100k", "u.data", "<html>"),
        ("ml-100k", "u.user", "1|24|X|technician|85711"),
        ("ml-100k", "u.user", "1|24|M|tech\tnician|85711"),
        ("ml-100k", "u.item", f"1|T (1995)|||u|{flags()}|0"),
        ("ml-100k", "u.item", f"1|T (1995)|||{flags()}"),
        ("ml-100k", "u.item", f"1|T\tU (1995)|||u|{flags()}"),
        ("ml-1m", "ratings.dat", "1::2::3::"),
        ("ml-1m", "ratings.dat", "1::2::0::4"),
        ("ml-1m", "ratings.dat", ""),
        ("ml-1m", "users.dat", "1::1::F::10::48067"),
        ("ml-1m", "users.dat", "1::F::1::10::48067::1"),
        ("ml-1m", "movies.dat", "1::Toy Story (1995)"),
        ("ml-1m", "movies.dat", "one::Toy Story (1995)::Drama"),
        ("ml-10m", "ratings.dat", "1::2::3.7::4"),
        ("ml-10m", "ratings.dat", "1::2::5.5::4"),
        ("ml-10m", "ratings.dat", "1::2::0::4"),
        ("ml-10m", "movies.dat", "1::Toy Story (1995)"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, name: str, file: str, bad: str) -> None:
    raw, _ = DATA_SETS[name]
    good = raw[file].splitlines()[0]
    folder = write_raw(tmp_path / "raw", {**raw, file: f"{good}\n{bad}\n{good}\n"})
    with pytest.raises(DataError) as caught:
        convert(name, folder, tmp_path / "out")
    assert f"{folder / file}, line 2: expected" in str(caught.value)
    assert repr(bad + "\n") in str(caught.value)


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_missing_raw_file_is_named(tmp_path: Path, name: str) -> None:
    raw, _ = DATA_SETS[name]
    folder = write_raw(tmp_path / "raw", raw)
    for file in raw:
        moved = (folder / file).rename(tmp_path / "aside")
        with pytest.raises(DataError, match=rf"{file} is missing"):
            convert(name, folder, tmp_path / "out")
        moved.rename(folder / file)


def shared(name: str) -> zipfile.ZipFile:
    if not (SHARED / name).is_file():
        pytest.skip(f"{name} is not in {SHARED}")
    return zipfile.ZipFile(SHARED / name)


def test_the_real_ml_1m_gives_the_published_atomic_files(tmp_path: Path) -> None:
    with shared("ml-1m-raw-sample.zip") as raw, shared("ml-1m.zip") as published:
        raw.extractall(tmp_path)
        convert("ml-1m", tmp_path / "ml1m_raw_sample", tmp_path / "out")
        for file in ("ml-1m.user", "ml-1m.item"):
            assert (tmp_path / "out" / file).read_bytes() == published.read(f"ml-1m/{file}")
        ratings = (tmp_path / "out" / "ml-1m.inter").read_text().splitlines()[1:]
        assert len(ratings) == 84_733
        # The sample is cut and has timestamps; the published rows have none.
        all_ratings = set(published.read("ml-1m/ml-1m.inter").decode().splitlines())
        assert {row.rpartition("\t")[0] for row in ratings} <= all_ratings


def test_titles_of_the_published_ml_100k_survive_the_round_trip(tmp_path: Path) -> None:
    with shared("ml-100k.zip") as archive:
        published = archive.read("ml-100k/ml-100k.item").decode()
    movies = []
    for row in published.splitlines()[1:]:
        movie, title, year, genres = row.split("\t")
        text = "unknown" if year == "unkonwn" else f"{title} ({year})"
        movies.append(f"{movie}|{text}|01-Jan-1995||http://x|{flags(*genres.split(' '))}\n")
    raw = {**RAW_100K, "u.item": "".join(movies)}
    convert("ml-100k", write_raw(tmp_path / "raw", raw), tmp_path / "out")
    assert (tmp_path / "out" / "ml-100k.item").read_bytes() == published.encode()
