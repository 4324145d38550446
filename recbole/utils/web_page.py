"""The frame of an HTML page that needs nothing but itself: head, base style, content policy.

A page follows the reader's light or dark setting.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{content}
</main>
{script}</body>
</html>
"""

# Nothing may be loaded from anywhere, whatever a title says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_STYLE = """\
:root { color-scheme: light dark;
  --page: #f4f6f8; --card: #ffffff; --ink: #18202a; --soft: #53606e; --line: #dce2e9;
  --blue: #0b64a8; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0e1319; --card: #171e26; --ink: #e9eef4; --soft: #a3b0be; --line: #2c3743;
  --blue: #62b6ee; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 76rem; margin: 0 auto; }
h1 { font-size: clamp(1.5rem, 1.1rem + 2vw, 2.2rem); line-height: 1.2; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
:focus-visible { outline: 3px solid var(--blue); outline-offset: 2px; }

"""


def web_page(title: str, content: str, style: str, script: str = "") -> str:
    """A page as text.

    Args:
        title: as plain text; it is escaped.
        content: the HTML of the page; what comes from data is to be escaped in it.
        style: a style sheet that goes on from the base style, with its colours.
        script: the one script that may run, if any.
    """
    policy = _POLICY
    if script:
        digest = hashlib.sha256(script.encode()).digest()
        policy += f"; script-src 'sha256-{base64.b64encode(digest).decode()}'"
    return _PAGE.format(
        policy=policy,
        title=escape(title),
        style=_STYLE + style,
        content=content,
        script=f"<script>{script}</script>\n" if script else "",
    )
