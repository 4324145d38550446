"""Style and script of the report's page.

Nothing hangs on colour alone; a phone scrolls each table within its own frame.
"""

from __future__ import annotations

STYLE = """\
:root { --lit: #fff1c9; }
@media (prefers-color-scheme: dark) { :root { --lit: #4a3d10; } }
main { padding: 2rem 1rem 3rem; }
h1 { margin: 0 0 .5rem; }
h2 { margin: 0 0 .6rem; font-size: 1.2rem; }
p { margin: .3rem 0; }
.lead { max-width: 60rem; }
.note, .none { color: var(--soft); font-size: .88rem; }
a { color: var(--blue); text-decoration-thickness: 1px; text-underline-offset: .15em; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1rem; padding: 0; list-style: none; }
section { margin-top: 1.5rem; padding: 1rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; }
.scroll { overflow-x: auto; }
table { font-size: .9rem; }
th, td { padding: .3rem .6rem; text-align: left; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
td.number { text-align: right; }
#runs td:last-child { white-space: normal; min-width: 40rem; font-family: monospace;
  font-size: .8rem; overflow-wrap: anywhere; }
th button { all: unset; cursor: pointer; font-weight: 650; color: var(--ink); }
th button::after { content: " \\2195"; color: var(--soft); }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
tr.lit > td { background: var(--lit); }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr));
  gap: 1rem; }
figure { margin: 0; min-width: 0; }
figure img { width: 100%; height: auto; background: #fff; border-radius: .4rem; }
figcaption { font-weight: 600; }
details p, dd, li { overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--soft); }
dt { color: var(--soft); font-size: .88rem; }
dd { margin: 0 0 .5rem; }
"""

SCRIPT = """\
"use strict";
const valueOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
};
const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
  : typeof a === typeof b ? a.localeCompare(b, "en", {numeric: true})
  : typeof a === "number" ? -1 : 1;  // numbers before what was not run
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, table = head.closest("table");
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0], column = head.cellIndex;
    const rows = [...body.rows].sort((a, b) =>
      (up ? 1 : -1) * compare(valueOf(a, column), valueOf(b, column)));
    body.append(...rows);
  });
}
for (const link of document.querySelectorAll("a[data-runs]")) {
  link.addEventListener("click", () => {
    for (const row of document.querySelectorAll("tr.lit")) row.classList.remove("lit");
    for (const key of link.dataset.runs.split(" ")) {
      const row = document.getElementById("run-" + key);
      if (row) row.classList.add("lit");
    }
  });
}
"""
