"""Which categories of Amazon's reviews there are, and where their files lie.

What is fetched is the file of ratings alone, which is a tenth of the reviews with their texts.
"""

from __future__ import annotations

import re

from recbole.data.sources.amazon import COLUMNS, RAW_FILES, convert_amazon
from recbole.data.sources.source import RemoteFile, Source
from recbole.errors import DataError, did_you_mean

_UCSD = "https://mcauleylab.ucsd.edu/public_datasets/data"
_SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"

#: By year: the address of a category's ratings, that of its products, and the page about them.
_ADDRESSES = {
    "2014": (
        _SNAP + "/ratings_{}.csv",
        _SNAP + "/meta_{}.json.gz",
        "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
    ),
    "2018": (
        _UCSD + "/amazon_v2/categoryFilesSmall/{}.csv",
        _UCSD + "/amazon_v2/metaFiles2/meta_{}.json.gz",
        "https://nijianmo.github.io/amazon/",
    ),
    "2023": (
        _UCSD + "/amazon_2023/benchmark/0core/rating_only/{}.csv.gz",
        _UCSD + "/amazon_2023/raw/meta_categories/meta_{}.jsonl.gz",
        "https://amazon-reviews-2023.github.io/",
    ),
}
_IN_ALL = """
    Automotive Books CDs_and_Vinyl Cell_Phones_and_Accessories Clothing_Shoes_and_Jewelry
    Digital_Music Electronics Grocery_and_Gourmet_Food Home_and_Kitchen Kindle_Store Movies_and_TV
    Musical_Instruments Office_Products Patio_Lawn_and_Garden Pet_Supplies Sports_and_Outdoors
    Tools_and_Home_Improvement Toys_and_Games Video_Games
"""
_SINCE_2018 = """
    All_Beauty Appliances Arts_Crafts_and_Sewing Gift_Cards Industrial_and_Scientific
    Magazine_Subscriptions Software
"""
_ONLY = {
    "2014": "Amazon_Instant_Video Apps_for_Android Baby Beauty Health_and_Personal_Care",
    "2018": _SINCE_2018 + "AMAZON_FASHION Luxury_Beauty Prime_Pantry",
    "2023": _SINCE_2018
    + """Amazon_Fashion Baby_Products Beauty_and_Personal_Care Handmade_Products
    Health_and_Household Health_and_Personal_Care Subscription_Boxes Unknown""",
}
#: The categories of each year, as their files spell them.
CATEGORIES = {year: tuple(sorted((_IN_ALL + only).split())) for year, only in _ONLY.items()}

_LICENCE = (
    "Amazon reviews, collected by the McAuley Lab of UC San Diego for research: cite the paper that"
    " its page names, and do not hand the data on."
)
_PATTERN = re.compile(r"amazon-(?P<category>.+)-(?P<year>\d{4})")
#: RecBole's names for the books of 2014, which the paper uses.
_BOOKS_OF_2014 = ("amazon-books", "amazon-book")


def amazon_source(name: str) -> Source | None:
    """The source of amazon-<category>-<year>, such as amazon-all-beauty-2018; None for other names.

    Raises:
        DataError: the name begins with "amazon" and there is no such category or year.
    """
    if name.partition("-")[0] != "amazon":
        return None
    match = _PATTERN.fullmatch("amazon-books-2014" if name in _BOOKS_OF_2014 else name)
    if match is None or match["year"] not in CATEGORIES:
        raise DataError(
            f"No data set '{name}': expected amazon-<category>-<year>, such as"
            f" amazon-all-beauty-2018, the year being {', '.join(CATEGORIES)}, or amazon-books (of"
            " 2014)"
        )
    year = match["year"]
    names = {_spelt(category): category for category in CATEGORIES[year]}
    category = names.get(match["category"])
    if category is None:
        raise DataError(
            f"No data set '{name}': the categories of {year} are {', '.join(names)}."
            f"{did_you_mean(match['category'], names)}"
        )
    ratings, products, home = _ADDRESSES[year]
    return Source(
        name=name,
        convert=convert_amazon,
        raw_files=RAW_FILES,
        columns=COLUMNS,
        licence=_LICENCE,
        home=home,
        files=tuple(
            RemoteFile(url, url.rpartition("/")[2])
            for url in (ratings.format(category), products.format(category))
        ),
    )


def _spelt(category: str) -> str:
    return category.lower().replace("_", "-")
