"""Whatever stands on a command line, it becomes options or one line."""

from importlib import import_module
from typing import Any

import pytest
from fuzzing import WEIRD, attack, budget
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.commands import COMMANDS
from experiments.options.arguments import parse
from experiments.options.leaves import as_text, leaves

TEXTS = [as_text(value).replace("\0", "") for value in WEIRD if value != "\0"]
VALUES = st.sampled_from(
    [
        *TEXTS,
        "[1,2",
        "[[1],[2]]",
        "{a: 1}",
        "- a",
        "1,2",
        "&a [*a]",
        "!!python/name:os.system",
        "\udcff",
        "1e400",
        "0x10",
    ]
) | st.text(max_size=20).filter(lambda text: "\0" not in text)
SPACES = st.fixed_dictionaries(
    {},
    optional={
        "stem": st.sampled_from(["4", "16", "4095", "0", "-1"]),
        "widths": st.sampled_from(["8,12", "2048,4096", "4096,4096", "8", "4,8,12"]),
        "depths": st.sampled_from(
            ["[[1],[1]]", "[[1,4096],[1,4096]]", "[[4096],[4096]]", "[[],[1]]", "[[2,1],[1]]", "[1,2]"]
        ),
        "dilations": st.sampled_from(["1", "1,2", "2", ",".join(map(str, range(1, 4097))), "1,1"]),
        "poolings": st.sampled_from(["1", "1,2", "2", "1,2,3"]),
        "span": st.sampled_from(["0", "4", "1024", "2047", "-4"]),
        "step": st.sampled_from(["1", "2", "4", "0"]),
        "search": st.sampled_from(["", "width", "dilation,width", "depth", "depth,width,dilation,pooling"]),
    },
)


@pytest.mark.parametrize("command", COMMANDS)
def test_any_values_are_read_or_refused(command: str) -> None:
    options = import_module(COMMANDS[command]).Options
    keys = [leaf.key for leaf in leaves(options)]

    @budget(25)
    @given(st.lists(st.tuples(st.sampled_from([*keys, "config", "json", "x", "", "-"]), VALUES), max_size=4))
    def read(pairs: list[tuple[str, str]]) -> None:
        words = [word for key, value in pairs for word in (f"--{key}", value) if key != "help"]
        if not {"-h", "--help"} & set(words):
            attack(lambda: parse("ssr-nas", "", options, words))

    read()


@budget(40)
@given(SPACES)
@example({"depths": "[[4096],[4096]]", "dilations": ",".join(map(str, range(1, 4097)))})
@example({"widths": "2048,4096", "stem": "16", "span": "2047", "step": "1", "depths": "[[1,4096],[1,4096]]"})
def test_any_space_is_described_or_refused(space: dict[str, str]) -> None:
    from experiments.commands import space as command

    words = [f"--space.{key}={value}" for key, value in space.items()]

    def describe() -> Any:
        return command.run(parse("ssr-nas space", "", command.Options, words)[0])

    attack(describe)
