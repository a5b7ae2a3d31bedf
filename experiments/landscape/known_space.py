"""The spaces of benchmarks whose networks all were trained by others: their choices, and how their tables write them.

A network is the candidate of every choice, in the order of the choices. Pure.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas_space.errors import InputError

KnownNetwork = tuple[str, ...]
"""The candidate of each choice."""


@dataclass(frozen=True)
class KnownSpace:
    """A space in which every network has all choices.

    Args:
        name: of the benchmark.
        choices: the candidates of each choice, by its label in NNI.
        skip: the candidate that computes nothing.
        write: a network as its table writes it.
        read: its inverse; a KeyError or ValueError where the text is none.
    """

    name: str
    choices: Mapping[str, Sequence[str]]
    skip: str
    write: Callable[[KnownNetwork], str]
    read: Callable[[str], KnownNetwork]

    def to_sample(self, network: KnownNetwork) -> dict[str, str]:
        """The network as a sample of NNI."""
        return dict(zip(self.choices, network, strict=True))

    def from_sample(self, sample: Mapping[str, Any]) -> KnownNetwork:
        """The network of a sample.

        Raises:
            InputError: a choice is missing, or has another candidate.
        """
        if set(sample) != set(self.choices):
            different = sorted(set(sample) ^ set(self.choices))[0]
            raise InputError(f"sample: {different!r} is missing, or no choice of {self.name}")
        for label, candidates in self.choices.items():
            if sample[label] not in candidates:
                raise InputError(f"sample: {label!r} is {sample[label]!r}; choose from {', '.join(candidates)}")
        return tuple(sample[label] for label in self.choices)

    def key(self, sample: Mapping[str, Any]) -> str:
        """The key of a sample's network in the table."""
        return self.write(self.from_sample(sample))


LAYERS = 8
BLOCKS = ("identity", "kernel3_expansion3", "kernel5_expansion6")
"""Candidates of NAS-Bench-Macro, in the order of its digits."""
OPERATIONS = {
    "none": "none",
    "skip_connect": "skip_connect",
    "nor_conv_1x1": "conv_1x1",
    "nor_conv_3x3": "conv_3x3",
    "avg_pool_3x3": "avg_pool_3x3",
}
"""Operations of NAS-Bench-201, and what NNI calls them."""
TABLE_NAMES = {ours: theirs for theirs, ours in OPERATIONS.items()}
EDGES = tuple((source, node) for node in (1, 2, 3) for source in range(node))
"""Of a cell of NAS-Bench-201, in the order of its text."""


def _macro_text(network: KnownNetwork) -> str:
    return "".join(str(BLOCKS.index(block)) for block in network)


def _macro_network(text: str) -> KnownNetwork:
    if re.fullmatch(rf"[0-{len(BLOCKS) - 1}]{{{LAYERS}}}", text) is None:
        raise ValueError(f"{text[:40]!r} is no network of {LAYERS} digits from 0 to {len(BLOCKS) - 1}")
    return tuple(BLOCKS[int(digit)] for digit in text)


def _cell_text(network: KnownNetwork) -> str:
    words = [f"{TABLE_NAMES[operation]}~{source}" for operation, (source, _) in zip(network, EDGES, strict=True)]
    return f"|{words[0]}|+|{'|'.join(words[1:3])}|+|{'|'.join(words[3:])}|"


def _cell_network(text: str) -> KnownNetwork:
    words = re.findall(r"\w+(?=~\d)", text)
    if len(words) != len(EDGES) or not set(words) <= set(OPERATIONS):
        raise ValueError(f"{text[:40]!r} is no cell of NAS-Bench-201")
    network = tuple(OPERATIONS[word] for word in words)
    if _cell_text(network) != text:
        raise ValueError(f"{text[:40]!r} is no cell of NAS-Bench-201")
    return network


NAS_BENCH_MACRO = KnownSpace(
    "nas_bench_macro", {f"layer{n}": BLOCKS for n in range(LAYERS)}, "identity", _macro_text, _macro_network
)
NAS_BENCH_201 = KnownSpace(
    "nas_bench_201",
    {f"cell/{source}_{node}": tuple(OPERATIONS.values()) for source, node in EDGES},
    "skip_connect",
    _cell_text,
    _cell_network,
)
