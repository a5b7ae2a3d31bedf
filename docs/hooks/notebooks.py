"""MkDocs hook: each notebook of docs/notebooks/ becomes a page: its text, and its code in blocks."""

import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOK = ".ipynb"


def as_markdown(notebook: str) -> str:
    """The text of a notebook's file as Markdown."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(notebook)["cells"]]
    parts = [source if kind == "markdown" else f"```python\n{source}\n```" for kind, source in cells]
    return "\n\n".join(parts) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages. The notebooks themselves stay in the project."""
    for path in sorted(FOLDER.glob(f"*{NOTEBOOK}")):
        plain = files.get_file_from_path(f"{FOLDER.name}/{path.name}")
        if plain is not None:
            files.remove(plain)
        files.append(File.generated(config, f"{FOLDER.name}/{path.stem}.md", abs_src_path=str(path)))
    return files


def on_page_read_source(page: Page, config: MkDocsConfig) -> str | None:
    """The Markdown of a page that is a notebook; None for all others, which MkDocs reads."""
    source = page.file.abs_src_path
    if source is None or not source.endswith(NOTEBOOK):
        return None
    return as_markdown(Path(source).read_text(encoding="utf-8"))
