"""The style sheet of the page that `compare` writes.

Blue and orange tell the two lists apart for colour-blind readers too; no meaning hangs on colour
alone. One column is enough for a phone.
"""

from __future__ import annotations

STYLE = """\
:root {
  --a: var(--blue); --b: #ab4400; --track: #e6ebf0;
  --unlikely: #a9b4c0;
  --hit: #00664d; --hit-wash: #e4f5ef; --on-mark: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --b: #f3a65a; --track: #2a3440;
    --unlikely: #66737f;
    --hit: #4fd1ab; --hit-wash: #12302a; --on-mark: #0e1319;
  }
}
main { padding: 2.5rem 1.25rem 3rem; }
h1 { margin: .1rem 0 .4rem; letter-spacing: -.015em; text-wrap: balance; }
h2 { margin: 0; font-size: 1.1rem; line-height: 1.3; overflow-wrap: anywhere; }
p { margin: 0; }
.eyebrow, .note, .facts, caption, th { color: var(--soft); }
.eyebrow { font-size: .85rem; }
.lead { font-size: 1.1rem; max-width: 58rem; text-wrap: pretty; }

.figures { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .75rem;
  margin: 1.5rem 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: .7rem .9rem; }
.figures dt { font-size: .85rem; color: var(--soft); }
.figures dd { margin: 0; font-size: 1.5rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.figures dd small { font-size: .85rem; font-weight: 400; color: var(--soft); }

.lists { display: grid; gap: 1.25rem; grid-template-columns: minmax(0, 1fr); align-items: start; }
@media (min-width: 60rem) { .lists { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
.list, details { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; }
.list { border-top: 4px solid var(--accent); overflow: hidden; }
.list > header { display: flex; gap: .7rem; padding: .9rem 1rem .6rem; }
.is-a { --accent: var(--a); }
.is-b { --accent: var(--b); }
.letter { display: inline-grid; place-items: center; width: 1.7em; height: 1.7em; flex: none;
  border-radius: .4em; background: var(--accent); color: var(--on-mark); font-weight: 700; }
.figures .letter { width: 1.45em; height: 1.45em; font-size: .8rem; margin-right: .3em; }
.facts { font-size: .88rem; }
.facts b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }

abbr { text-decoration: none; }
table { width: 100%; }
caption { text-align: left; font-size: .8rem; padding: 0 1rem .6rem; }
th, td { padding: .55rem .4rem; text-align: left; vertical-align: top; }
th:first-child, td:first-child { padding-left: 1rem; }
th:last-child, td:last-child { padding-right: 1rem; }
thead th { font-size: .78rem; font-weight: 600; padding-block: .35rem;
  border-bottom: 1px solid var(--line); }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody th { font-weight: 400; color: var(--ink); overflow-wrap: anywhere; }
.rank { width: 2.6rem; color: var(--soft); }
.click { width: 5rem; }
.rating { width: 6.6rem; }
.number { width: 6.5rem; text-align: right; white-space: nowrap; }
details td, details tbody th { padding-block: .3rem; }
.title { display: block; font-weight: 600; line-height: 1.3; }
.genres { display: block; font-size: .82rem; color: var(--soft); }
.hit > * { background: var(--hit-wash); }
.hit > :first-child { box-shadow: inset 4px 0 var(--hit); }
.marks { display: flex; flex-wrap: wrap; gap: .15rem .6rem; margin: .1rem 0 0; padding: 0;
  list-style: none; font-size: .8rem; color: var(--soft); }
.marks .liked { color: var(--hit); font-weight: 650; }
.track { display: block; height: .3rem; margin-top: .3rem; border-radius: 1rem;
  background: var(--track); overflow: hidden; }
.track i { display: block; height: 100%; border-radius: 1rem; background: var(--accent); }
svg { display: block; overflow: visible; }
.likely { fill: var(--accent); }
.unlikely { fill: var(--unlikely); }
svg line { stroke: var(--soft); stroke-width: 1; opacity: .5; }
.bars { display: flex; align-items: flex-end; gap: .45rem; }
.better { font-weight: 700; }

details { margin-top: 1.25rem; overflow: hidden; }
summary { padding: .85rem 1rem; font-weight: 600; cursor: pointer; }
summary:focus-visible { outline-offset: -3px; border-radius: .75rem; }
.note { margin-top: 1.25rem; font-size: .85rem; max-width: 62rem; }
.note p + p { margin-top: .4rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }

@media (max-width: 30rem) {
  main { padding: 1.5rem .75rem 2rem; }
  .figures { gap: .5rem; }
  .figures div { padding: .55rem .6rem; }
  .figures dt { font-size: .78rem; }
  .figures dd { font-size: 1.2rem; }
  .figures dd small { display: block; }
  th, td { padding-inline: .25rem; }
  th:first-child, td:first-child { padding-left: .75rem; }
  th:last-child, td:last-child { padding-right: .75rem; }
  .rank { width: 2.1rem; }
  .click { width: 3.7rem; }
  .rating { width: 5.6rem; }
  .number { width: 4.6rem; white-space: normal; }
  .bars { gap: .3rem; }
}
@media (forced-colors: active) {
  .track i, .likely { forced-color-adjust: none; }
}
@media print {
  body { background: none; }
  main { max-width: none; padding: 0; }
  .lists { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .list, tr { break-inside: avoid; }
}
"""
