"""MkDocs hook: pages of the project that lie outside docs/ join the site, and links between all pages lead there.

A link is written as it works in the project's folders: ``../experiments/results/search.md``. In the site that page is
``results/search.md``. A link to a file or folder that the site does not have becomes plain text.
"""

import re
from pathlib import Path
from posixpath import relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
RESULTS = "experiments/results/"
SHOWN = (".md", ".png", ".csv", ".json")
"""Endings of the results that a page may link to. Weights stay where they are."""
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def site_path(path: str) -> str | None:
    """Where a file of the project lies in the site, or None where it is not part of it; both as POSIX paths."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/").replace(".ipynb", ".md")
    if path.startswith(RESULTS) and path.endswith(SHOWN):
        return f"results/{path.removeprefix(RESULTS)}"
    return {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}.get(path)


def translate(markdown: str, path: str) -> str:
    """The Markdown of the project's file ``path`` with the links that it has in the site."""
    source = site_path(path) or path
    folder = (ROOT / path).parent

    def replace(match: re.Match[str]) -> str:
        mark, text, link = match.groups()
        name, _, fragment = link.partition("#")
        if not name or re.match(r"[a-z]+:", link):
            return match[0]
        found = (folder / name).resolve()
        target = site_path(found.relative_to(ROOT).as_posix()) if found.is_relative_to(ROOT) else None
        if not found.exists():
            return match[0]  # MkDocs names it
        if target is None:
            return text
        return f"{mark}[{text}]({relpath(target, Path(source).parent)}{'#' * bool(fragment)}{fragment})"

    pieces, end = [], 0
    for code in FENCE.finditer(markdown):
        pieces += [LINK.sub(replace, markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*pieces, LINK.sub(replace, markdown[end:])])


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/, and the files that results link to."""
    results = (path for path in (ROOT / RESULTS).rglob("*") if path.suffix in SHOWN)
    for path in (ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(results)):
        name = site_path(path.relative_to(ROOT).as_posix())
        assert name is not None
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Translate the links of a page."""
    assert page.file.abs_src_path is not None
    return translate(markdown, Path(page.file.abs_src_path).resolve().relative_to(ROOT).as_posix())
