"""YAML that a user wrote, read safely: it runs no code, and no key is given twice."""

from typing import Any

import yaml
from yaml.constructor import ConstructorError

LONGEST = 2**19  # letters; PyYAML needs a minute for a megabyte
MOST_VALUES = 1_000_000  # an alias counts as all that it stands for; no file of options comes near


class _TextLoader(yaml.SafeLoader):
    """Leaves numbers, dates and truth values as the text that stands in the file: ``1.10``, ``010``, ``yes``."""

    yaml_constructors = yaml.SafeLoader.yaml_constructors | dict.fromkeys(
        (f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "timestamp", "value")),
        yaml.SafeLoader.construct_yaml_str,
    )


def load_yaml(text: str, as_text: bool = False) -> Any:
    """The one document of ``text``, in plain values; None where it is empty.

    Args:
        text: the file's content.
        as_text: leave every value but null as it is written.

    Raises:
        yaml.YAMLError: it is no YAML, too long, asks for more than plain values, gives a key twice, or never ends.
        ValueError: a number or a date that is none.
        RecursionError: it is nested too deeply.
    """
    if len(text) > LONGEST:
        raise ConstructorError(None, None, f"it has more than {LONGEST} letters", None)
    loader = (_TextLoader if as_text else yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, [], {}) > MOST_VALUES:
            raise ConstructorError(None, None, f"its aliases stand for more than {MOST_VALUES} values", node.start_mark)
        return loader.construct_document(node)
    except (LookupError, TypeError, AttributeError) as error:  # PyYAML's own, for a value that is not of its tag
        raise ConstructorError(None, None, f"a value is not of its tag ({error})", None) from None
    finally:
        loader.dispose()


def _count(node: yaml.Node, parents: list[yaml.Node], known: dict[yaml.Node, int]) -> int:
    """How many values ``node`` stands for, aliases written out."""
    if any(node is parent for parent in parents):
        raise ConstructorError(None, None, "an alias stands inside of what it names", node.start_mark)
    if node not in known:
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        known[node] = 1 + sum(_count(part, [*parents, node], known) for part in inner)
    return known[node]


def _check_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                raise ConstructorError(None, None, f"{key.value} is given twice", key.start_mark)
            seen.add((key.tag, key.value))
