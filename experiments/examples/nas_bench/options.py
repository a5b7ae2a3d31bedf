"""The options of the experiment, alike for all of its searches, and what can be wrong with them."""

from dataclasses import dataclass, field

from experiments.examples.nas_bench.entrants import ENTRANTS
from experiments.examples.nas_bench.worlds import WORLDS, Sizes
from nas_space.errors import InputError

MOST_IMAGES = 12_000


@dataclass
class NasBenchOptions(Sizes):
    """Options of ``python -m experiments.examples.nas_bench.experiment``.

    Args:
        data: folder of the tables and of cifar10_jpeg.zip.
        out: folder of the runs and tables; what is finished there is not run again.
        worlds: nas_bench_201 and nas_bench_macro.
        strategies: entrants of the experiment; random takes the time of the searches that stand before it.
        seeds: one search for each strategy and seed.
        images: training images; the first half trains the weights, the second the architecture.
        side: pixels of an image's side; below 32 it is scaled down.
        batch: images of a step.
        epochs: of a search.
        steps: of an epoch; each goes on in the images where the last one ended.
        random_epochs: of each network of the random search.
        device: cpu or cuda.
    """

    data: str = "data/nas_bench"
    out: str = "runs/nas_bench"
    worlds: list[str] = field(default_factory=lambda: list(WORLDS))
    strategies: list[str] = field(default_factory=lambda: list(ENTRANTS))
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    images: int = 12_000
    side: int = 16
    batch: int = 32
    epochs: int = 30
    steps: int = 40
    random_epochs: int = 5
    device: str = "cpu"


FREE = {"data", "out", "worlds", "strategies", "seeds", "device"}
"""Options that choose runs, and do not alter one."""


def check_options(options: NasBenchOptions) -> None:
    """Everything about the options that can be wrong without reading data.

    Raises:
        InputError: the key, and what it should be.
    """
    for key, known in (("worlds", WORLDS), ("strategies", ENTRANTS)):
        values: list[str] = getattr(options, key)
        unknown = [value for value in values if value not in known]
        if unknown:
            raise InputError(f"{key}: unknown {unknown[0]!r}; choose from {', '.join(known)}")
    for key in ("worlds", "strategies", "seeds"):
        given = getattr(options, key)
        if not given or len(set(given)) < len(given):
            raise InputError(f"{key}: give at least one, and each once")
    for key in ("batch", "epochs", "steps", "random_epochs", "cell_channels", "cells", "chain_channels", "chain_last"):
        if getattr(options, key) < 1:
            raise InputError(f"{key}: {getattr(options, key)} must be at least 1")
    if not 2 * options.batch <= options.images <= MOST_IMAGES:
        what = f"must be from {2 * options.batch} (two batches) to {MOST_IMAGES}"
        raise InputError(f"images: {options.images} {what}")
    if not 8 <= options.side <= 32:
        raise InputError(f"side: {options.side} must be from 8 to 32")
    if options.device not in ("cpu", "cuda"):
        raise InputError(f"device: {options.device!r} must be cpu or cuda")
