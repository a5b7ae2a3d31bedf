"""Draw a figure of the SSR paper: loss surfaces, shrinking, and curves of searches, from their run folders.

The names, and what each is drawn from: loss_surfaces (Fig. 3) and shrinking (Fig. 4) take no runs; probabilities
(5a to 5e), entropy (5f, 8) and loss_weights (7) take searches; training (6) takes searches and the trainings of their
networks. Features (9) and segmentations (1, 10) are drawn by ssr-nas figures.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.options.leaves import WHOLE
from experiments.runs.files import write_atomic
from experiments.runs.folder import new_run
from nas_space.errors import InputError


@dataclass(kw_only=True)
class Options:
    """Options of ``ssr-nas figures paper``.

    Args:
        figure: loss_surfaces, shrinking, probabilities, entropy, training or loss_weights.
        runs: folders of ``ssr-nas search`` and, for training, of ``ssr-nas retrain``.
        out: a new or empty folder for the figure; ``runs/figures-<date>-<time>`` if absent.
    """

    POSITIONAL = "runs"
    figure: str
    runs: list[str] = field(default_factory=list, metadata=WHOLE)
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Draw the figure, print its file and its caption; return both."""
    from experiments.report.figures import png
    from experiments.report.paper import FIGURES

    if options.figure not in FIGURES:
        raise InputError(f"figure: unknown {options.figure!r}; choose from {', '.join(FIGURES)}")
    chosen = FIGURES[options.figure]
    if chosen.of_runs and not options.runs:
        raise InputError(f"figure: {options.figure} is of runs; give their folders")
    if options.runs and not chosen.of_runs:
        raise InputError(f"figure: {options.figure} is of no run; leave out {options.runs[0]}")
    content = png(chosen.draw([Path(one) for one in options.runs]))
    with new_run(options.out, "figures", "figures") as folder:
        file = folder / f"{options.figure}.png"
        write_atomic(file, content)
    print(f"figure  {file}\n{chosen.caption}")
    return {"file": str(file), "caption": chosen.caption, "out": str(folder)}
