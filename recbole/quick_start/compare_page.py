"""A comparison as one HTML page that needs nothing but itself: no script, no font, no network."""

from __future__ import annotations

from html import escape
from pathlib import Path

from recbole.data.staging import replacing
from recbole.quick_start.compare_style import STYLE
from recbole.quick_start.comparison import Comparison, HeldOut, ListedItem, RankedList
from recbole.utils.web_page import web_page

_BARS_WIDTH, _BARS_HEIGHT = 50, 26  # pixels, for all bars of one distribution together

_CONTENT = """\
<p class="eyebrow">Data set {dataset} · top {topk} of {candidates} items the user has not seen</p>
<h1>{title}</h1>
<p class="lead">{summary}</p>
{figures}
<div class="lists">
{lists}
</div>
{positives}
{notes}"""


def write_page(comparison: Comparison, path: str | Path) -> Path:
    """Write the page; an older file stands until the new one is whole."""
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(page(comparison), encoding="utf-8")
    return path


def page(comparison: Comparison) -> str:
    """The page as text. Whatever comes from the data or from file names is escaped."""
    title = f"What two models recommend to user {comparison.user}"
    content = _CONTENT.format(
        title=escape(title),
        dataset=escape(comparison.dataset),
        topk=comparison.topk,
        candidates=f"{comparison.candidates:,}",
        summary=escape(comparison.summary()),
        figures=_figures(comparison),
        lists="\n".join(_list(ranked, comparison) for ranked in comparison.lists),
        positives=_positives(comparison),
        notes=_notes(comparison),
    )
    return web_page(title, content, STYLE)


def _figures(comparison: Comparison) -> str:
    of = f"<small>of {len(comparison.positives)} held out</small>"
    cells = [
        f"<div class='is-{ranked.letter.lower()}'><dt>{_letter(ranked)} Hits@{comparison.topk}</dt>"
        f"<dd>{ranked.hits} {of}</dd></div>"
        for ranked in comparison.lists
    ]
    longest = max(len(ranked.items) for ranked in comparison.lists)
    overlap = f"{comparison.overlap} <small>of {longest}</small>"
    cells.append(f"<div><dt>In both lists</dt><dd>{overlap}</dd></div>")
    return f'<dl class="figures">{"".join(cells)}</dl>'


def _letter(ranked: RankedList) -> str:
    return f'<span class="letter">{ranked.letter}</span>'


# --- the two lists -----------------------------------------------------------------------------


def _list(ranked: RankedList, comparison: Comparison) -> str:
    heading = f"list-{ranked.letter.lower()}"
    highest = max((p for one in comparison.lists for i in one.items for p in i.classes), default=1)
    rows = "\n".join(_row(item, ranked, comparison, highest) for item in ranked.items)
    rating_head = '<th scope="col" class="rating">Rating</th>' if ranked.levels else ""
    caption = f"Top {comparison.topk} by click probability"
    if ranked.levels:
        caption += ", with the predicted rating"
    return f"""\
<section class="list is-{ranked.letter.lower()}" aria-labelledby="{heading}">
<header>{_letter(ranked)}<div><h2 id="{heading}"><span class="unseen">List {ranked.letter}: </span>\
{escape(ranked.name)}</h2>
<p class="facts">{escape(ranked.model)}, {escape(ranked.head)}</p>
<p class="facts">{_test_result(ranked)}</p></div></header>
<table>
<caption>{caption}</caption>
<thead><tr><th scope="col" class="rank"><abbr title="Rank">#</abbr></th>\
<th scope="col">Item</th><th scope="col" class="click">Click</th>{rating_head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</section>"""


def _row(item: ListedItem, ranked: RankedList, comparison: Comparison, highest: float) -> str:
    liked = item.held_out is not None and item.held_out.liked
    genres = f'<span class="genres">{escape(", ".join(item.genres))}</span>' if item.genres else ""
    cells = [
        f'<td class="rank">{item.rank}</td>',
        f'<th scope="row"><span class="title">{escape(item.title)}</span>{genres}'
        f"{_marks(item, ranked, comparison)}</th>",
        f'<td class="click">{item.click:.1%}<span class="track" aria-hidden="true">'
        f'<i style="width:{item.click:.1%}"></i></span></td>',
    ]
    if ranked.levels:
        cells.append(f'<td class="rating">{_distribution(item, ranked, highest)}</td>')
    opening = '<tr class="hit">' if liked else "<tr>"
    return f"{opening}{''.join(cells)}</tr>"


def _marks(item: ListedItem, ranked: RankedList, comparison: Comparison) -> str:
    marks = []
    if item.held_out is not None:
        kind = "liked" if item.held_out.liked else "passed"
        marks.append(f'<li class="{kind}">{_held_out_words(item.held_out)}</li>')
    if item.other_rank is not None:
        other = next(o for o in comparison.lists if o.letter != ranked.letter)
        marks.append(f"<li>{_symbol('⇄')} in both, #{item.other_rank} in {other.letter}</li>")
    return f'<ul class="marks">{"".join(marks)}</ul>' if marks else ""


def _held_out_words(held_out: HeldOut) -> str:
    rated = "" if held_out.rating is None else f", rated {_rating(held_out.rating)}"
    if held_out.liked:
        return f"{_symbol('★')} held-out positive{rated}"
    return f"{_symbol('○')} held out, not a click{rated}"


def _symbol(character: str) -> str:
    """For the eye only; the words beside it say the same."""
    return f'<span aria-hidden="true">{character}</span>'


def _distribution(item: ListedItem, ranked: RankedList, highest: float) -> str:
    """The rating probabilities as bars, drawn to one scale on the whole page."""
    step = min(10.0, _BARS_WIDTH / len(item.classes))
    bar = 0.8 * step
    width = f"{step * (len(item.classes) - 1) + bar:g}"
    bars = []
    for k, (probability, positive) in enumerate(zip(item.classes, ranked.positive, strict=True)):
        height = max(1.0, _BARS_HEIGHT * probability / highest)
        bars.append(
            f'<rect class="{"likely" if positive else "unlikely"}" x="{k * step:g}"'
            f' y="{_BARS_HEIGHT - height:.1f}" width="{bar:g}" height="{height:.1f}" rx="1"/>'
        )
    words = ", ".join(
        f"{_rating(level)}: {probability:.0%}"
        for level, probability in zip(ranked.levels, item.classes, strict=True)
    )
    return (
        f'<span class="bars"><svg role="img" aria-label="Probability of each rating: {words}"'
        f' width="{width}" height="{_BARS_HEIGHT}" viewBox="0 0 {width} {_BARS_HEIGHT}">'
        f"<title>{words}</title>{''.join(bars)}"
        f'<line x1="0" x2="{width}" y1="{_BARS_HEIGHT}.5" y2="{_BARS_HEIGHT}.5"/></svg>'
        f'<span><span class="unseen">expected rating </span>{item.expected:.2f}</span></span>'
    )


# --- below the lists ---------------------------------------------------------------------------


def _positives(comparison: Comparison) -> str:
    if not comparison.positives:
        return ""
    first, second = comparison.lists
    rows = []
    for positive in comparison.positives:
        ranks = "".join(
            f'<td class="number better">{rank:,}<span class="unseen"> (better)</span></td>'
            if rank < max(positive.ranks)
            else f'<td class="number">{rank:,}</td>'
            for rank in positive.ranks
        )
        rating = "–" if positive.rating is None else _rating(positive.rating)
        rows.append(
            f'<tr><th scope="row">{escape(positive.title)}</th>'
            f'<td class="number">{rating}</td>{ranks}</tr>'
        )
    return f"""\
<details>
<summary>Where each model ranks all {len(comparison.positives)} held-out positives</summary>
<table>
<caption>Ranks among {comparison.candidates:,} items; the better one of each row is bold</caption>
<thead><tr><th scope="col">Item</th><th scope="col" class="number">Rated</th>\
<th scope="col" class="number">Rank in {first.letter}</th>\
<th scope="col" class="number">Rank in {second.letter}</th></tr></thead>
<tbody>
{chr(10).join(rows)}
</tbody>
</table>
</details>"""


def _notes(comparison: Comparison) -> str:
    notes = [
        "★ marks a held-out positive: an item of the test part that the user clicked on (or rated"
        " high enough to count as a click). Neither model has seen these rows. An item without a"
        " mark is one the user has no record of, not one that the user dislikes.",
        f"Left out are the {comparison.seen:,} items that the user has in the training and"
        " validation parts.",
    ]
    graded = next((ranked for ranked in comparison.lists if ranked.levels), None)
    if graded is not None:
        lowest, highest = _rating(graded.levels[0]), _rating(graded.levels[-1])
        likes = [_rating(x) for x, yes in zip(graded.levels, graded.positive, strict=True) if yes]
        notes.append(
            f"Rating: a bar for the probability of each rating from {lowest} to {highest}, all"
            " drawn to one scale, and the expected rating. Coloured bars are the ratings that"
            f" count as a click ({', '.join(likes)}); grey ones do not."
        )
    return f'<footer class="note">{"".join(f"<p>{note}</p>" for note in notes)}</footer>'


def _test_result(ranked: RankedList) -> str:
    shown = [
        f"{name} <b>{ranked.test_result[key]:.4f}</b>"
        for key, name in (("auc", "Test AUC"), ("logloss", "LogLoss"))
        if ranked.test_result.get(key) is not None
    ]
    return " · ".join(shown) or "No test result recorded"


def _rating(value: float) -> str:
    return f"{value:g}"
