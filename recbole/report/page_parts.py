"""Style and script of the report's page.

Nothing hangs on colour alone; the page follows the reader's light or dark setting, and a phone
scrolls each table within its own frame.
"""

from __future__ import annotations

STYLE = """\
:root { color-scheme: light dark;
  --page: #f4f6f8; --card: #fff; --ink: #18202a; --soft: #53606e; --line: #dce2e9;
  --link: #0b64a8; --lit: #fff1c9; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0e1319; --card: #171e26; --ink: #e9eef4; --soft: #a3b0be; --line: #2c3743;
  --link: #62b6ee; --lit: #4a3d10; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1rem 3rem; }
h1 { margin: 0 0 .5rem; font-size: clamp(1.5rem, 1.1rem + 2vw, 2.2rem); line-height: 1.2;
  overflow-wrap: anywhere; }
h2 { margin: 0 0 .6rem; font-size: 1.2rem; }
p { margin: .3rem 0; }
.lead { max-width: 60rem; }
.note, .none { color: var(--soft); font-size: .88rem; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: .15em; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1rem; padding: 0; list-style: none; }
section { margin-top: 1.5rem; padding: 1rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .6rem; text-align: left; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
td.number { text-align: right; }
#runs td:last-child { white-space: normal; min-width: 40rem; font-family: monospace;
  font-size: .8rem; overflow-wrap: anywhere; }
th button { all: unset; cursor: pointer; font-weight: 650; color: var(--ink); }
th button::after { content: " \\2195"; color: var(--soft); }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
:focus-visible, th button:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
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
