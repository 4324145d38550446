"""Yelp, Book-Crossing, anime, Last.fm, Frappe and goodbooks: small copies of the raw layouts."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from recbole.data.sources.lastfm import MOST_TAGS
from recbole.errors import DataError
from tests.unit.data.sources.converting import convert, write_files


def crlf(text: str, encoding: str = "utf-8") -> bytes:
    return text.replace("\n", "\r\n").encode(encoding)


YELP: dict[str, list[dict[str, object]]] = {
    "review": [
        {"review_id": "r", "user_id": "u-1_", "business_id": "b1", "stars": 5.0, "useful": 1,
         "text": "a\tb\n", "date": "2018-07-07 22:09:11"},
        {"user_id": "u2", "business_id": "b2", "stars": 1, "date": "2014-02-13"},
    ],
    "user": [
        {"user_id": "u-1_", "name": "Ann", "review_count": 585, "average_stars": 3.9},
        {"user_id": "u2"},
    ],
    "business": [
        {"business_id": "b1", "name": "Ann's\t\"Grill\" é", "city": "Las  Vegas", "state": "NV",
         "stars": 3.0, "review_count": 5, "categories": "Gastropubs, Food Trucks, Food Trucks"},
        {"business_id": "b2", "name": None, "review_count": 0, "categories": None},
        {"business_id": "b3", "categories": ["Home Services", "Pets"]},
    ],
}  # fmt: skip


def yelp(folder: Path, prefix: str = "yelp_academic_dataset_", **changed: object) -> Path:
    return write_files(
        folder / "raw",
        {
            f"{prefix}{kind}.json": "".join(
                json.dumps(each) + "\n" for each in changed.get(kind, objects)
            ).encode()
            for kind, objects in YELP.items()
        },
    )


@pytest.mark.parametrize("prefix", ["yelp_academic_dataset_", ""])
def test_yelp(tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")  # dates count as UTC, wherever this runs
    time.tzset()
    made = convert("yelp2018", yelp(tmp_path, prefix))
    assert made["inter"] == ["u-1_\tb1\t5\t1531001351", "u2\tb2\t1\t1392249600"]
    assert made["user"] == ["u-1_\t585", "u2\t"]
    assert made["item"] == [
        'b1\tAnn\'s "Grill" é\t5\tLas Vegas\tNV\tGastropubs Food_Trucks',
        "b2\t\t0\t\t\t",
        "b3\t\t\t\t\tHome_Services Pets",
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"review": [{"user_id": "u"}]}, r"review.json, object 1: expected the key 'business_id'"),
        ({"review": [{**YELP["review"][0], "date": "soon"}]}, "object 1: expected a date .*'soon'"),
        ({"review": [{**YELP["review"][0], "stars": 6}]}, "a number from 1 to 5, got '6'"),
        ({"review": [{**YELP["review"][0], "stars": "five"}]}, "a number from 1 to 5, got 'five'"),
        ({"user": [{"review_count": 3}]}, r"user.json, object 1: expected the key 'user_id'"),
        ({"business": [{"name": "x"}]}, r"business.json, object 1: expected the key 'business_id'"),
    ],
)
def test_what_is_wrong_in_yelp_is_named(
    tmp_path: Path, changed: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        convert("yelp2018", yelp(tmp_path, **changed))


BX_RATINGS = '"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n"8";" 0155061224 ";"10"\n'
BX_USERS = (
    '"User-ID";"Location";"Age"\n"1";"nyc, new york, usa";NULL\n'
    '"8";"timmins, \\"ontario\\", canada";"18"\n"9";"n/a, , n/a";"244"\n"10";"méxico";NULL\n'
    '"11";"a, b, \nc, d";NULL\n'
)
BX_BOOKS = (
    '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher";"Image-URL-S"\n'
    '"034545104X";"Flesh; a \\"Tale\\"";"M. J. Rose";"2002";"Ballantine &amp; Co";"http://x"\n'
    '"0155061224";"C\\\\D é";"n/a";"0";"X";"http://y"\n'
    '"078946697X";"DK (Level 4)\\";Michael Teitelbaum";"2000";"DK Inc";"http://z"\n'
)


def test_book_crossing_as_it_was_dumped(tmp_path: Path) -> None:
    files = {"BX-Book-Ratings.csv": BX_RATINGS, "BX-Users.csv": BX_USERS, "BX-Books.csv": BX_BOOKS}
    raw = {name: crlf(text, "latin-1") for name, text in files.items()}
    made = convert("book-crossing", write_files(tmp_path / "raw", raw))
    assert made["inter"] == ["276725\t034545104X\t0", "8\t0155061224\t10"]
    assert made["user"] == [
        "1\t\tnyc\tnew york\tusa",
        '8\t18\ttimmins\t"ontario"\tcanada',
        "9\t244\t\t\t",
        "10\t\t\t\tméxico",
        "11\t\tb\tc\td",
    ]
    assert made["item"] == [
        '034545104X\tFlesh; a "Tale"\tM. J. Rose\t2002\tBallantine & Co',
        "0155061224\tC\\D é\t\t\tX",
        "078946697X\tDK (Level 4)\tMichael Teitelbaum\t2000\tDK Inc",
    ]


def test_book_crossing_with_commas(tmp_path: Path) -> None:
    files = {
        "Ratings.csv": "User-ID,ISBN,Book-Rating\n8,0155061224,10\n",
        "Users.csv": 'User-ID,Location,Age\n8,"timmins, ontario, canada",18.0\n',
        "Books.csv": "ISBN,Book-Title,Book-Author,Year-Of-Publication,Publisher\n"
        '1,"A ""B"", é",C,1999,D\n',
    }
    raw = write_files(tmp_path / "raw", {name: text.encode() for name, text in files.items()})
    made = convert("book-crossing", raw)
    assert made["inter"] == ["8\t0155061224\t10"]
    assert made["user"] == ["8\t18\ttimmins\tontario\tcanada"]
    assert made["item"] == ['1\tA "B", é\tC\t1999\tD']


def test_a_row_of_book_crossing_that_breaks_its_quotes_is_named(tmp_path: Path) -> None:
    files = {"BX-Book-Ratings.csv": BX_RATINGS, "BX-Users.csv": BX_USERS, "BX-Books.csv": BX_BOOKS}
    files["BX-Books.csv"] += '"1";"A";"B";"1";"C"\n'
    raw = {name: crlf(text, "latin-1") for name, text in files.items()}
    with pytest.raises(DataError, match=r"BX-Books.csv, line 5: expected 6 cells .* got 5"):
        convert("book-crossing", write_files(tmp_path / "raw", raw))


def test_anime(tmp_path: Path) -> None:
    files = {
        "rating.csv": "user_id,anime_id,rating\n1,20,-1\n3,32281,10\n",
        "anime.csv": "anime_id,name,genre,type,episodes,rating,members\n"
        '32281,Kimi no Na wa.,"Drama, Slice of Life",Movie,1,9.37,200630\n'
        '20,"Naruto&#039;s ""Way"", é",,TV,Unknown,,\n',
    }
    raw = write_files(tmp_path / "raw", {name: crlf(text) for name, text in files.items()})
    made = convert("anime", raw)
    assert made["inter"] == ["1\t20\t-1", "3\t32281\t10"]
    assert made["item"] == [
        "32281\tKimi no Na wa.\tDrama Slice_of_Life\tMovie\t1\t200630",
        '20\tNaruto\'s "Way", é\t\tTV\t\t',
    ]


@pytest.mark.parametrize("name", ["lastfm", "lastfm-hetrec"])
def test_lastfm(tmp_path: Path, name: str) -> None:
    tags = [f"{tag}\ttag {tag}" for tag in range(1, 20)]
    last = "1\t52\t77\t1\t1\t2009"
    given = [f"{user}\t51\t{tag}\t1\t4\t2009" for tag in range(1, 13) for user in range(tag)]
    raw = write_files(
        tmp_path / "raw",
        {
            "user_artists.dat": crlf("userID\tartistID\tweight\n2\t51\t13883\n2\t52\t1\n"),
            "artists.dat": crlf('id\tname\turl\tpictureURL\n51\t"Duran" é\tu\t\n52\tB\tu\tp\n'),
            "tags.dat": crlf("\n".join(["tagID\ttagValue", *tags, "77\tcérémonie"]), "latin-1"),
            "user_taggedartists.dat": crlf(
                "\n".join(["userID\tartistID\ttagID\tday\tmonth\tyear", *given, last])
            ),
            "user_taggedartists-timestamps.dat": b"not read",
        },
    )
    made = convert(name, raw)
    assert made["inter"] == ["2\t51\t13883", "2\t52\t1"]
    most = " ".join(f"tag_{tag}" for tag in range(12, 12 - MOST_TAGS, -1))
    assert made["item"] == [f'51\t"Duran" é\t{most}', "52\tB\tcérémonie"]


def test_frappe(tmp_path: Path) -> None:
    context = "daytime\tweekday\tisweekend\thomework\tcost\tweather\tcountry\tcity"
    raw = write_files(
        tmp_path / "raw",
        {
            "frappe.csv": (
                f"user\titem\tcnt\t{context}\n"
                "0\t7\t1\tmorning\tsunday\tweekend\tunknown\tfree\tsunny\tUnited States\t0\n"
            ).encode(),
            "meta.csv": (
                b"item\tpackage\tcategory\tdownloads\tdeveloper\ticon\tlanguage\tdescription\tname"
                b"\tprice\trating\tshort desc\n"
                b'7\tcom.x\tTools\t1,000 - 5,000\td\ti\ten\t"Line one\nline\ttwo"\tMy  App'
                b"\tFree\t4\ts\n"
            ),
        },
    )
    made = convert("frappe", raw)
    assert made["inter"] == ["0\t7\t1\tmorning\tsunday\tweekend\t\tfree\tsunny\tUnited States\t0"]
    assert made["item"] == ["7\tMy App\tTools\t1,000 - 5,000\ten\tFree"]


def test_goodbooks(tmp_path: Path) -> None:
    raw = write_files(
        tmp_path / "raw",
        {
            "ratings.csv": b"user_id,book_id,rating\n1,258,5\n",
            "books.csv": (
                "book_id,goodreads_book_id,authors,original_publication_year,title,language_code,"
                "average_rating\n"
                '258,9,"J.K. Rowling, Mary GrandPré",1997.0,"Harry ""P"", 1",eng,4.44\n'
                "259,10,Homer,-720.0,The Odyssey,,4\n260,11,X,,Y,en-US,4\n"
            ).encode(),
        },
    )
    made = convert("goodbooks-10k", raw)
    assert made["inter"] == ["1\t258\t5"]
    assert made["item"] == [
        '258\tHarry "P", 1\tJ.K._Rowling Mary_GrandPré\t1997\teng',
        "259\tThe Odyssey\tHomer\t-720\t",
        "260\tY\tX\t\ten-US",
    ]


def test_goodbooks_of_kaggle(tmp_path: Path) -> None:
    """There `id` counts the books, as ratings.csv does, and book_id is the id of Goodreads."""
    books = "id,book_id,best_book_id,work_id,authors,original_publication_year,title,language_code"
    raw = write_files(
        tmp_path / "raw",
        {
            "ratings.csv": b"book_id,user_id,rating\n1,314,5\n2,439,3\n",
            "books.csv": (
                f"{books}\n1,2767052,2767052,1,Suzanne Collins,2008.0,The Hunger Games,eng\n"
                "2,3,3,4640799,J.K. Rowling,1997.0,Harry Potter,eng\n"
            ).encode("utf-8-sig"),
        },
    )
    made = convert("goodbooks-10k", raw)
    assert made["inter"] == ["314\t1\t5", "439\t2\t3"]
    assert made["item"] == [
        "1\tThe Hunger Games\tSuzanne_Collins\t2008\teng",
        "2\tHarry Potter\tJ.K._Rowling\t1997\teng",
    ]
