"""The page and the terminal show all of a comparison, and nothing of the data as markup."""

from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console

from recbole.quick_start.compare_page import page, write_page
from recbole.quick_start.compare_terminal import print_comparison
from recbole.quick_start.comparison import (
    Comparison,
    HeldOut,
    HeldOutPositive,
    ListedItem,
    RankedList,
)

HOSTILE = "<script>alert('1')</script> & \"co\" [bold]"
LIKED, PASSED = HeldOut(True, 5.0), HeldOut(False, 2.0)


def listed(rank, held_out=None, other_rank=None, classes=()):
    mean = sum(level * p for level, p in enumerate(classes, start=1)) if classes else None
    title, genres = f"The item {rank}", ("Drama", f"Kind {rank}")
    click = 0.95 - rank / 100
    return ListedItem(rank, f"i{rank}", title, genres, click, classes, mean, held_out, other_rank)


def binary(*items):
    result = {"auc": 0.77516, "logloss": 0.5635}
    return RankedList("A", "one", "DCNV2", "clicks only", (), (), result, items)


def graded(*items):
    levels, positive = (1.0, 2.0, 3.0, 4.0, 5.0), (False, False, False, True, True)
    head = "5 rating levels, λ = 0.7"
    return RankedList("B", "two", "DCNV2", head, levels, positive, {"auc": 0.7748}, items)


P = (0.01, 0.04, 0.15, 0.3, 0.5)
SHOWN = Comparison(
    dataset="ml-100k",
    user="196",
    topk=3,
    candidates=1300,
    seen=57,
    lists=(
        binary(listed(1, LIKED, 3), listed(2), listed(3, PASSED)),
        graded(listed(1, None, None, P), listed(2, LIKED, None, P), listed(3, LIKED, 1, P)),
    ),
    positives=(
        HeldOutPositive("i1", "The item 1", 5.0, (1, 3)),
        HeldOutPositive("i2", "Another", None, (1250, 2)),
    ),
)


def test_the_summary_says_which_list_has_more():
    assert SHOWN.summary() == (
        "B has more of the user's 2 held-out positives in the top 3: 2 against 1."
        " 1 item is in both lists."
    )
    turned = replace(SHOWN, lists=(binary(listed(1, LIKED)), graded(listed(2, PASSED))))
    assert turned.summary().startswith("A has more of the user's 2 held-out positives")
    even = replace(SHOWN, lists=(binary(listed(1, LIKED)), graded(listed(2, LIKED))))
    assert even.summary() == (
        "Both lists have 1 of the user's 2 held-out positives in the top 3."
        " 0 items are in both lists."
    )
    none = replace(even, positives=())
    assert none.summary().startswith("The user has no positive in the test part")
    one = replace(SHOWN, positives=SHOWN.positives[:1])
    assert "the user's 1 held-out positive in" in one.summary()


class Reader(HTMLParser):
    """What is on a page: open elements, tables as rows of text, all attributes."""

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.tables, self.attributes = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "link", "rect", "line"):
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "tr" in self.open:
            self.tables[-1][-1] += f"{data} "


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_has_both_lists():
    reader = read(page(SHOWN))
    assert reader.tags.count("caption") == len(reader.tables) == 3
    first, second, _ = ([" ".join(row.split()) for row in rows] for rows in reader.tables)
    assert first == [
        "# Item Click",
        "1 The item 1 Drama, Kind 1 ★ held-out positive, rated 5 ⇄ in both, #3 in B 94.0%",
        "2 The item 2 Drama, Kind 2 93.0%",
        "3 The item 3 Drama, Kind 3 ○ held out, not a click, rated 2 92.0%",
    ]
    bars = "1: 1%, 2: 4%, 3: 15%, 4: 30%, 5: 50% expected rating 4.24"
    assert second == [
        "# Item Click Rating",
        f"1 The item 1 Drama, Kind 1 94.0% {bars}",
        f"2 The item 2 Drama, Kind 2 ★ held-out positive, rated 5 93.0% {bars}",
        f"3 The item 3 Drama, Kind 3 ★ held-out positive, rated 5 ⇄ in both, #1 in A 92.0% {bars}",
    ]
    labels = [value for name, value in reader.attributes if name == "aria-label"]
    assert labels == [f"Probability of each rating: {bars.split(' expected')[0]}"] * 3
    assert reader.attributes.count(("class", "likely")) == 2 * 3
    assert reader.attributes.count(("class", "unlikely")) == 3 * 3
    assert reader.attributes.count(("class", "hit")) == 3
    text = page(SHOWN)
    assert SHOWN.summary().replace("'", "&#x27;") in text
    assert "Test AUC <b>0.7752</b> · LogLoss <b>0.5635</b>" in text
    assert "Test AUC <b>0.7748</b></p>" in text


def test_the_page_ranks_all_positives():
    rows = [" ".join(row.split()) for row in read(page(SHOWN)).tables[2]]
    assert rows == [
        "Item Rated Rank in A Rank in B",
        "The item 1 5 1 (better) 3",
        "Another – 1,250 2 (better)",
    ]
    assert "<details>" not in page(replace(SHOWN, positives=()))


def test_bars_are_as_high_as_the_probabilities_say():
    heights = [float(value) for name, value in read(page(SHOWN)).attributes if name == "height"]
    assert heights[:6] == [26, 1.0, 2.1, 7.8, 15.6, 26]  # the picture, then 26 px for 0.5


def test_the_page_needs_nothing_from_elsewhere():
    text = page(SHOWN)
    reader = read(text)
    assert not {"script", "img", "iframe", "object"} & set(reader.tags)
    assert [v for name, v in reader.attributes if name in ("src", "href")] == ["data:,"]
    assert (
        "url(" not in text
        and "@import" not in text
        and "http" not in text.replace("http-equiv", "")
    )


def test_what_the_data_says_is_escaped():
    lists = (
        replace(
            ranked,
            name=HOSTILE,
            model=HOSTILE,
            items=tuple(replace(i, title=HOSTILE, genres=(HOSTILE,)) for i in ranked.items),
        )
        for ranked in SHOWN.lists
    )
    positives = tuple(replace(positive, title=HOSTILE) for positive in SHOWN.positives)
    evil = replace(SHOWN, user=HOSTILE, dataset=HOSTILE, lists=tuple(lists), positives=positives)
    text = page(evil)
    assert "<script" not in text and "alert('1')" not in text
    reader = read(text)
    for rows, times in zip(reader.tables, (2, 2, 1), strict=True):
        assert [row.count(HOSTILE) for row in rows[1:]] == [times] * (len(rows) - 1)
    out = StringIO()
    print_comparison(evil, Console(file=out, width=500, force_terminal=True, color_system=None))
    assert out.getvalue().count(HOSTILE) == 2 + 2 * 2 + 6 * 2  # top, headings, cells


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_shows_both_lists(width):
    out = StringIO()
    print_comparison(SHOWN, Console(file=out, width=width, force_terminal=True, color_system=None))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].strip() == "User 196 of ml-100k"
    headings = [line for line in lines if "DCNV2, " in line]
    assert len(headings) == (2 if width == 80 else 1)  # one under the other, or side by side
    assert out.getvalue().count("★ 5") == 3 and out.getvalue().count("○ 2") == 1
    assert out.getvalue().count("4.24 ▁▁▁▂▄") == 3
    assert out.getvalue().count("⇄ 3") == out.getvalue().count("⇄ 1") == 1


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = write_page(SHOWN, tmp_path / "new" / "compare.html")
    before = path.read_text()
    assert before == page(SHOWN)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_page(replace(SHOWN, user="2"), path)
    assert path.read_text() == before and list(path.parent.iterdir()) == [path]
