"""The probabilities of single choices by epoch (SSR paper, Figure 5a to 5e)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.report.colours import ordered
from experiments.report.figures import style
from experiments.report.lettering import TEXT, WIDTH, drawable, letter
from experiments.runs.probabilities import PROBABILITIES, read_probabilities
from nas_space.architecture import Architecture
from nas_space.config import WIDTH_KEYS, SpaceConfig, operator_name
from nas_space.errors import InputError
from nas_space.expected_cost import Probabilities
from strategies.alive import candidate_labels

IN_A_COLUMN = 6
"""Most candidates in a column of a legend."""


@dataclass(frozen=True)
class Choice:
    """One choice of a search.

    Args:
        label: as in the space's NNI labels, such as ``stage1/layer1/op``.
        candidates: their names, in the space's order.
        probabilities: ``(epochs, candidates)``; 0 once a candidate has left.
    """

    label: str
    candidates: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]


def choices_of(space: SpaceConfig, history: Probabilities) -> dict[str, Choice]:
    """All choices with more than one candidate, by label.

    Args:
        space: of the search.
        history: probabilities with the epochs as first axis.
    """
    entries: dict[str, list[tuple[str, npt.NDArray[np.float64]]]] = {}
    for (_, candidates), level in zip(candidate_labels(space).items(), history, strict=True):
        for label, candidate, index in candidates:
            entries.setdefault(label, []).append((candidate, level.movedim(0, -1)[index].double().numpy()))
    return {
        label: Choice(label, tuple(name for name, _ in few), np.stack([values for _, values in few], -1))
        for label, few in entries.items()
        if len(few) > 1
    }


def shown_labels(architecture: Architecture) -> list[str]:
    """The choices that stand for all: each depth, and of each stage the operator of its first and of its last layer.

    Then the width of the 3x1 convolution of these operators. The last layer is that of the found network.
    """
    ends = {
        f"stage{stage}/layer{number}": operator_name(layers[number - 1].dilation, layers[number - 1].pooling)
        for stage, layers in enumerate(architecture.stages, 1)
        for number in dict.fromkeys((1, len(layers)))
    }
    depths = [f"stage{stage}/depth" for stage in range(1, len(architecture.stages) + 1)]
    widths = [f"{layer}/{operator}/{WIDTH_KEYS[0]}" for layer, operator in ends.items()]
    return [*depths, *(f"{layer}/op" for layer in ends), *widths]


def probabilities_figure(run: Path) -> Figure:
    """Single choices of a finished search: those of ``shown_labels``.

    Args:
        run: its folder, with ``architecture.json`` and ``probabilities.npz``.

    Raises:
        InputError: a file is missing or damaged.
    """
    architecture = Architecture.load(run / "architecture.json")
    epochs, history = read_history(run, architecture.space)
    return search_figure(epochs, choices_of(architecture.space, history), shown_labels(architecture))


def read_history(run: Path, space: SpaceConfig) -> tuple[list[int], Probabilities]:
    """The epochs of a search's ``probabilities.npz``, and the probabilities with the epochs as first axis.

    Raises:
        InputError: the file is missing or damaged.
    """
    read = read_probabilities(run, space)
    if read is None:
        raise InputError(f"{run / PROBABILITIES}: no such file; a differentiable search writes it, search again")
    return read[0].tolist(), read[1]


def search_figure(epochs: Sequence[int], choices: Mapping[str, Choice], labels: Sequence[str]) -> Figure:
    """One search: a panel for each choice, one below the other, so that it can be read on a telephone.

    Args:
        epochs: of the rows of the choices' probabilities.
        choices: of ``choices_of``.
        labels: which to show; those that are not searched are left out.
    """
    panels = [choices[label] for label in labels if label in choices]
    rows = max(len(panels), 1)
    figure = Figure(figsize=(WIDTH, 1.45 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, 1, squeeze=False, sharex=True, sharey=True).flat
    for axes, choice in zip(grid, panels, strict=False):
        _draw(axes, epochs, choice, choice.label, TEXT, 1 if len(choice.candidates) <= IN_A_COLUMN else 2)
    if not panels:
        grid[0].set_axis_off()
    _name_axes(figure, TEXT)
    return figure


def searches_figure(searches: Mapping[str, tuple[Sequence[int], Sequence[Choice]]]) -> Figure:
    """Several searches: a row for each, a column for each of its choices.

    Args:
        searches: by name, the epochs and as many choices of each.
    """
    columns = max(len(choices) for _, choices in searches.values())
    figure = Figure(figsize=(8.0, 1.4 * len(searches) + 0.3), layout="constrained")
    grid = figure.subplots(len(searches), columns, squeeze=False, sharey=True)
    for row, name, (epochs, choices) in zip(grid, drawable(list(searches)), searches.values(), strict=True):
        for axes, choice in zip(row, choices, strict=True):
            _draw(axes, epochs, choice, f"{name}: {choice.label}", 8, 1)
    _name_axes(figure, 9)
    return figure


def _name_axes(figure: Figure, size: float) -> None:
    figure.supylabel("probability", fontsize=size)
    figure.supxlabel("epoch", fontsize=size)


def _draw(axes: Axes, epochs: Sequence[int], choice: Choice, title: str, size: float, columns: int) -> None:
    """A line for each candidate; it ends in a cross where the candidate leaves, and the strongest at last is thick.

    The legend has letters of ``size`` points, and so many columns.
    """
    numbers = np.asarray(epochs)
    colours = _colours(choice.candidates)
    best = int(choice.probabilities[-1].argmax())
    for place, name in enumerate(choice.candidates):
        values = choice.probabilities[:, place]
        there = int((values > 0).sum())
        look: dict[str, Any] = {"color": colours[place], "linestyle": "--" if name.endswith("s2") else "-"}
        width = 3.0 if place == best else 1.4
        axes.plot(numbers[:there], values[:there], linewidth=width, label=name, **look)
        if 0 < there < len(values):
            axes.plot(numbers[there - 1], values[there - 1], "x", color=look["color"], markersize=6)
    style(axes, "", "", "y")
    letter(axes.set_title("", fontsize=10, loc="left"), title)
    axes.set_ylim(0, 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.tick_params(labelsize=max(size, 9))
    near = {"handlelength": 1.4, "columnspacing": 1.0, "labelspacing": 0.3}
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=columns, frameon=False, fontsize=size, **near)


def _colours(candidates: Sequence[str]) -> list[str]:
    """From dark to light in the candidates' order; operators of one dilation share a colour, and pooling is dashes."""
    stems = [name.partition("s")[0] for name in candidates]
    kinds = list(dict.fromkeys(stems))
    colours = dict(zip(kinds, ordered(len(kinds)), strict=True))
    return [colours[stem] for stem in stems]
