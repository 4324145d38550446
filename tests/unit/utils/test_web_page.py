"""A page may run its own script, and load nothing."""

import base64
import hashlib
import re

from recbole.utils.web_page import web_page


def policy(text):
    return re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]


def test_a_page_without_a_script_may_run_none():
    text = web_page("One & <two>", "<h1>{One}</h1>", "h1 { color: var(--blue); }\n")
    assert policy(text) == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert "<script" not in text
    assert "<title>One &amp; &lt;two&gt;</title>" in text
    assert "<main>\n<h1>{One}</h1>\n</main>" in text


def test_a_page_may_run_its_own_script_only():
    script = "const fine = {a: 1};\n"
    text = web_page("One", "<p>Two</p>", "", script)
    (ran,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(ran.encode()).digest()).decode()
    assert policy(text).endswith(f"img-src data:; script-src 'sha256-{digest}'")


def test_the_pages_own_style_wins_over_the_base():
    text = web_page("One", "", "main { padding: 1px; }\n")
    style = text[text.index("<style>") : text.index("</style>")]
    assert style.endswith("main { padding: 1px; }\n")
    assert style.count("{") == style.count("}")
