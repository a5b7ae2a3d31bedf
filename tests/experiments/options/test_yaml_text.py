"""YAML of users: read safely, and nothing in it grows beyond what was written."""

import pytest
import yaml

from experiments.options.yaml_text import load_yaml


@pytest.mark.parametrize(
    "text", ["", "a: 1\nb: [x, {c: null}]", "a: &a [1, 2]\nb: *a", "a: &a {x: 1}\nb: {<<: *a, x: 2}", "1: a\n'1': b"]
)
def test_as_the_library_reads_it(text: str) -> None:
    assert load_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [*a]", "an alias stands inside of what it names"),
        ("a: &a {b: {c: *a}}", "an alias stands inside of what it names"),
        ("a: &a {? *a : 1}", "an alias stands inside of what it names"),
        ("a: 1\nb: 2\na: 3", "a is given twice"),
        ("x: {a: 1, a: 1}", "a is given twice"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: 1\n--- b", "single document"),
        ("!!bool x", "a value is not of its tag"),
        ("!!int ''", "a value is not of its tag"),
        ("- !!timestamp x", "a value is not of its tag"),
        ("x" * 600_000, "it has more than 524288 letters"),
    ],
)
def test_mistakes(text: str, words: str) -> None:
    with pytest.raises(yaml.YAMLError, match=words):
        load_yaml(text)


def test_a_few_lines_that_stand_for_billions() -> None:
    lines = [
        "- &a0 [x, x, x, x, x, x, x, x, x, x]",
        *(f"- &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)),
    ]
    with pytest.raises(yaml.YAMLError, match="its aliases stand for more than"):
        load_yaml("\n".join(lines))
