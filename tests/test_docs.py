"""What the documentation names exists: links between Markdown files, paths of the project, targets of the Makefile."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.runs import columns

ROOT = Path(__file__).parents[1]
PACKAGES = ("nas_space", "strategies", "experiments", "tests", "docs")
MARKDOWN = sorted([*ROOT.glob("*.md"), *(path for name in PACKAGES for path in (ROOT / name).rglob("*.md"))])
SOURCES = sorted(
    path for name in PACKAGES for suffix in ("py", "yml", "cjs") for path in (ROOT / name).rglob(f"*.{suffix}")
)
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
PROJECT_PATH = re.compile(rf"(?<![\w/.~-])(?:{'|'.join(PACKAGES)})/[\w./*<>{{}},-]*")


def anchors(text: str) -> set[str]:
    """The fragments that GitHub gives the headings of a Markdown text."""
    names: Counter[str] = Counter()
    fragments = set()
    for heading in re.findall(r"^#+\s+(.+?)\s*#*$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        fragments.add(f"{name}-{names[name]}" if names[name] else name)
        names[name] += 1
    return fragments


def broken_links(path: Path) -> Iterator[str]:
    """The links of a Markdown file that lead to no file, or to no heading of it; addresses on the web are not tried."""
    for groups in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        link = groups[0] or groups[1]
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or not target.is_relative_to(ROOT):
            yield link
        elif fragment and fragment not in anchors(target.read_text(encoding="utf-8")):
            yield link


def missing_paths(text: str) -> set[str]:
    """The paths of the project that a text names and that do not exist; patterns and placeholders are left out."""
    paths = {path.rstrip(".,-") for path in PROJECT_PATH.findall(text)}
    return {path for path in paths if not set(path) & set("*<>{}") and not (ROOT / path).exists()}


@pytest.mark.parametrize("path", MARKDOWN, ids=[str(path.relative_to(ROOT)) for path in MARKDOWN])
def test_markdown(path: Path) -> None:
    assert list(broken_links(path)) == []
    assert missing_paths(path.read_text(encoding="utf-8")) == set()
    assert "@@" not in path.read_text(encoding="utf-8"), "a place that is still to be filled"


def test_paths_in_sources() -> None:
    missing = {path: missing_paths(path.read_text(encoding="utf-8")) for path in SOURCES if path != Path(__file__)}
    assert {path: names for path, names in missing.items() if names} == {}


def test_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in MARKDOWN:
        named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(_code(path.read_text(encoding="utf-8")))))
        assert named <= targets, path
    assert targets == {"setup", "test", "slow", "lint", "format", "docs"}


def _code(text: str) -> list[str]:
    return [match[0] for match in FENCE.finditer(text)] + re.findall(r"`[^`\n]+`", FENCE.sub("", text))


def test_what_is_broken_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# One `word`, two\n## Twice\n## Twice\n```\n# no heading\n```\n")
    page = tmp_path / "page.md"
    files = "[a](other.md) ![b](other.md#one-word-two) [c](other.md#twice-1)\n[d]: other.md\n"
    page.write_text(files + "[e](#here) [f](https://x.y/z)\n# Here\n```\n[in code](nowhere.md)\n```\n")
    assert list(broken_links(page)) == []
    page.write_text("[a](none.md) [b](other.md#no-heading) [c](#none) [d](other.md#twice-2)\n[e]: none.png\n")
    assert list(broken_links(page)) == ["none.md", "other.md#no-heading", "#none", "other.md#twice-2", "none.png"]
    assert missing_paths("`tests/none.py`, tests/*.py, experiments/<name>/, a/tests/none.py") == {"tests/none.py"}


def test_words_name_the_columns_of_all_tables() -> None:
    """A column that people read has its name and unit in the glossary."""
    text = (ROOT / "docs" / "words.md").read_text()
    names = {value.name for value in vars(columns).values() if isinstance(value, columns.Column)}
    assert names >= {"mIoU %", "latency ms"} and [name for name in names if f"`{name}`" not in text] == []


def test_every_picture_is_small_and_shown_with_words() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    shown = dict(re.findall(r"!\[([^\]]*)\]\((assets/[^)]+)\)", pages))
    assert all(len(words.split()) > 2 for words in shown)
    pictures = [path for path in (ROOT / "docs/assets").rglob("*") if path.suffix in (".png", ".jpg")]
    assert {path.relative_to(ROOT / "docs").as_posix() for path in pictures} == set(shown.values())
    assert [path for path in pictures if path.stat().st_size > 150_000] == []
