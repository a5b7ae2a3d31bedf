"""MkDocs hook: equations become MathML when the site is built. Browsers show it by themselves; no script is loaded."""

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

EQUATION = re.compile(r"<(span|div) class=\"arithmatex\">\s*\\([(\[])(.*?)\\[)\]]\s*</\1>", re.DOTALL)


def render(html: str) -> str:
    """The page with MathML in place of the LaTeX that ``pymdownx.arithmatex`` has marked.

    Raises:
        PluginError: a command of LaTeX that is not known, which would stand in the page as it is.
    """

    def replace(match: re.Match[str]) -> str:
        tag, bracket, latex = match.groups()
        display = "block" if bracket == "[" else "inline"
        mathml = convert(unescape(latex).strip(), display=display)
        unknown = re.search(r"(?:\\|&#x0005C;)\w+", mathml)
        if unknown:
            raise PluginError(f"{unescape(unknown[0])}: not known to latex2mathml; write the equation without it")
        return f'<{tag} class="equation">{mathml}</{tag}>'

    return EQUATION.sub(replace, html)


def on_page_content(html: str, **_: Any) -> str:
    """Render the equations of a page."""
    return render(html)
