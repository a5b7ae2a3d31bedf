"""The hooks that write the site: links between pages, equations, the reference of options. No page is built here."""

import json
import re
import runpy
from dataclasses import dataclass, field, make_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from mkdocs.exceptions import PluginError

from experiments.commands import COMMANDS
from experiments.options.groups import DataOptions
from experiments.options.leaves import leaves

ROOT = Path(__file__).parents[2]


def hook(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs/hooks" / f"{name}.py"))


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("docs/search.md", "[a](../experiments/results/search.md#top)", "[a](results/search.md#top)"),
        ("docs/search.md", "[`a` b](../CONTRIBUTING.md)", "[`a` b](contributing.md)"),
        ("docs/search.md", "![a](../experiments/results/search_speed.png)", "![a](results/search_speed.png)"),
        ("docs/search.md", "[a](train.md), [b](#here)", "[a](train.md), [b](#here)"),
        ("docs/search.md", "[a](https://x.y/z)", "[a](https://x.y/z)"),
        ("docs/search.md", "[a](../pyproject.toml)", "a"),
        ("docs/search.md", "[a](none.md)", "[a](none.md)"),
        ("experiments/results/search.md", "[a](../../docs/method.md#relaxation)", "[a](../method.md#relaxation)"),
        ("experiments/results/search.md", "[a](camvid_360x480)", "a"),
        ("experiments/results/search.md", "[a](camvid_360x480/retrain.json)", "[a](camvid_360x480/retrain.json)"),
        ("CONTRIBUTING.md", "[a](docs/train.md)", "[a](train.md)"),
        ("docs/index.md", "[a](notebooks/own_photos.ipynb)", "[a](notebooks/own_photos.md)"),
        (
            "docs/notebooks/own_photos.ipynb",
            "[a](../fit.md), [b](strategies.ipynb)",
            "[a](../fit.md), [b](strategies.md)",
        ),
        ("docs/search.md", "```\n[a](../CONTRIBUTING.md)\n```\n", "```\n[a](../CONTRIBUTING.md)\n```\n"),
    ],
)
def test_links_lead_to_the_same_page_in_the_site(page: str, link: str, expected: str) -> None:
    assert hook("project_files")["translate"](f"{link} y\n", page) == f"{expected} y\n"


def test_equations_become_mathml() -> None:
    render = hook("equations")["render"]
    page = render('<p><span class="arithmatex">\\(a &lt; b\\)</span></p><div class="arithmatex">\\[\nx^2\n\\]</div>')
    assert page.count("<math") == 2 and 'display="block"' in page and "arithmatex" not in page
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in page
    with pytest.raises(PluginError, match="nosuch"):
        render('<span class="arithmatex">\\(\\nosuch x\\)</span>')


def test_a_notebook_becomes_a_page() -> None:
    cells = [("markdown", ["# A\n", "b"]), ("code", ["!x\n", "y"])]
    content = {"cells": [{"cell_type": kind, "source": source, "outputs": [{"text": "z"}]} for kind, source in cells]}
    page = hook("notebooks")["as_markdown"](json.dumps(content))
    assert page == "# A\nb\n\n```python\n!x\ny\n```\n"


@dataclass
class Options:
    """Of one command.

    Args:
        source: a folder; a | b < c.
    """

    source: str | None = None
    data: DataOptions = field(default_factory=DataOptions)


def test_options_of_several_commands_stand_once() -> None:
    module = hook("options_page")
    larger = make_dataclass("Larger", [("data", DataOptions, field(default_factory=lambda: DataOptions(batch=99)))])
    text = module["reference"]({"cost": Options, "search": Options, "retrain": larger})
    assert text.count("| `--source`{.key} | `str or null` | `null` | a folder; a &#124; b &lt; c. |") == 2
    batches = re.findall(r"\| `--data\.batch`\{\.key\} \| `int` \| `(\d+)` \|", text)
    assert sorted(batches) == ["8", "99"]
    assert text.count("Also: [data](#data).") == 2
    assert "### data\n\nTaken by `cost`, `search`." in text


def test_no_option_is_missing() -> None:
    commands = {name: import_module(path).Options for name, path in COMMANDS.items()}
    text = hook("options_page")["reference"](commands)
    for name, options in commands.items():
        assert f"### ssr-nas {name}\n" in text
        assert [leaf.key for leaf in leaves(options) if f"| `--{leaf.key}`{{.key}}" not in text] == []
    anchors = {hook("options_page")["anchor"](title) for title in re.findall(r"^### (.+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
