"""The page that compare writes, opened in headless Chromium: both lists shown, nothing amiss."""

import pytest

from recbole.commands.command_line import main
from tests.conftest import TOY_OPTIONS, write_toy_dataset
from tests.e2e.chromium import browser

_TABLES = """
return [...document.querySelectorAll("section table")].map(table => {
  const box = table.getBoundingClientRect();
  return {
    caption: table.caption.innerText,
    heading: table.closest("section").querySelector("h2").innerText,
    titles: [...table.querySelectorAll("tbody th .title")].map(title => title.innerText),
    left: box.left, right: box.right, top: box.top, bottom: box.bottom,
    seen: table.checkVisibility({opacityProperty: true, visibilityProperty: true}),
  };
});"""

_CONTRASTS = """
const parse = colour => colour.match(/[\\d.]+/g).map(Number);
const luminance = colour => parse(colour).slice(0, 3).map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = node => {
  for (; node; node = node.parentElement) {
    const [r, g, b, a = 1] = parse(getComputedStyle(node).backgroundColor);
    if (a > 0) return `rgb(${r}, ${g}, ${b})`;
  }
  return "rgb(255, 255, 255)";
};
return [...document.querySelectorAll("body *")]
  .filter(node => [...node.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
  .filter(node => !node.closest("svg"))
  .map(node => {
    const pair = [luminance(getComputedStyle(node).color), luminance(ground(node))];
    return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), node.outerHTML.slice(0, 80)];
  });"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The page of a user and what it is to show."""
    from recbole.quick_start import run_recbole
    from recbole.quick_start.compare import compare

    folder = tmp_path_factory.mktemp("compare")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_toy_dataset(folder / "dataset")
        items = folder / "dataset" / "toy" / "toy.item"
        header, *rows = items.read_text().splitlines()
        titled = [f"{row}\t<script>console.error('{n}')</script>" for n, row in enumerate(rows)]
        items.write_text("\n".join([f"{header}\ttitle:token", *titled]) + "\n")
        load_col = {"inter": None, "user": None, "item": ["item_id", "year", "genre"]}
        for name, head in (("one", {}), ("two", {"multi_cls": 5})):
            settings = TOY_OPTIONS | {"load_col": load_col, "checkpoint_dir": name} | head
            run_recbole("WideDeep", "toy", config_dict=settings)
        paths = [next((folder / name).glob("*.pth")) for name in ("one", "two")]
        given = [f"--checkpoint={path}" for path in paths]
        assert main(["compare", *given, "--user=u16", "--output=u16.html"]) == 0
        return folder / "u16.html", compare(paths, "u16")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_lists_are_shown_without_an_error(chromium, compared, width, scheme):
    path, comparison = compared
    assert comparison.positives
    chromium.command(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    chromium.emulate(prefers_color_scheme=scheme)
    chromium.open(path, width)
    assert chromium.run("return innerWidth") == width
    tables = chromium.run(_TABLES)
    assert [t["titles"] for t in tables] == [[i.title for i in r.items] for r in comparison.lists]
    for table, ranked in zip(tables, comparison.lists, strict=True):
        assert table["seen"] and table["bottom"] - table["top"] > 300
        assert table["left"] >= 0 and table["right"] <= width
        assert ranked.name in table["heading"] and "Top 10" in table["caption"]
    first, second = tables
    if width == 1280:
        assert first["right"] < second["left"]  # side by side
    else:
        assert first["bottom"] < second["top"]  # one below the other
    assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.run("return performance.getEntriesByType('resource').length") == 0
    contrasts = chromium.run(_CONTRASTS)
    assert len(contrasts) > 50
    assert [pair for pair in contrasts if pair[0] < 4.5] == []
    assert chromium.console() == []


def test_the_ranks_of_all_positives_open_by_keyboard(chromium, compared):
    path, comparison = compared
    chromium.open(path, 1280)
    chromium.run("document.querySelector('summary').focus()")
    assert chromium.run("return document.activeElement.tagName") == "SUMMARY"
    for kind in ("keyDown", "keyUp"):
        chromium.command(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
            windowsVirtualKeyCode=13,
        )  # fmt: skip
    rows = "return [...document.querySelectorAll('details tbody tr')].filter(r => r.offsetHeight)"
    assert chromium.run(f"{rows}.length") == len(comparison.positives)


def test_an_error_would_be_noticed(chromium, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text("<!doctype html><script>console.error('amiss')</script><img src=gone.png>")
    chromium.open(page, 800)
    said = " ".join(chromium.console())
    assert "amiss" in said and "gone.png" in said
