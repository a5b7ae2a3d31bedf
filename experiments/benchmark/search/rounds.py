"""The comparison: rounds of both sides in turn, so that whatever else the machine does meets both."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from experiments.benchmark.search.child import Child
from experiments.benchmark.search.problem import Problem

SHARES = (1.0, 0.5, 0.25, 0.1)
"""Shares of all candidates alive."""
LAYOUTS = ("channels_last", "contiguous")
WARMUP = 2
"""Iterations before the first that counts, also after every change of the space or the images."""


@dataclass(frozen=True)
class Series:
    """Seconds an iteration, one for each round, of both sides.

    Args:
        ours: by our strategy.
        nni: by NNI's DARTS, in the same rounds.
    """

    ours: tuple[float, ...]
    nni: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """NNI's seconds over ours, round by round."""
        return [theirs / own for own, theirs in zip(self.ours, self.nni, strict=True)]

    def summary(self) -> dict[str, Any]:
        """Medians over the rounds; the spread is the lowest and the highest round."""
        ratios = self.ratios
        return {
            "ours_s": median(self.ours),
            "nni_s": median(self.nni),
            "ratio": median(ratios),
            "ratio_spread": [min(ratios), max(ratios)],
        }


def compare(problem: Problem, rounds: int, steps: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure both sides.

    Args:
        problem: what is searched on.
        rounds: how often both are timed, at the whole space and at each smaller share of it.
        steps: iterations a round and side.
        tell: told what is being measured.

    Returns:
        Plain values, as ``ssr-nas benchmark search --json`` prints them.

    Raises:
        InputError: the memory does not suffice.
    """
    tell("NNI's DARTS in both memory formats")
    trials = {layout: _trial(problem, layout) for layout in LAYOUTS}
    layout = min(trials, key=lambda name: trials[name])
    with Child("ours", problem, LAYOUTS[0]) as ours, Child("nni", problem, layout) as nni:
        for child in (ours, nni):
            child.seconds(WARMUP + steps)
        memory = {
            child.side: float(child.ask("memory")["mib"]) for child in (ours, nni)
        }  # before anything else is measured there
        tell(f"{rounds} rounds of the whole space")
        peak: list[float] = []
        full = _rounds(ours, nni, rounds, steps, peak)
        macs = {child.side: float(child.ask("count")["macs"]) for child in (ours, nni)}
        result = {
            **full.summary(),
            "peak_memory_mib": memory,
            "peak_memory_ratio": memory["ours"] / memory["nni"],
            "images_per_s": {
                "ours": 2 * problem.batch / median(full.ours),
                "nni": 2 * problem.batch / median(full.nni),
            },
            "macs": macs,
            "convolution_peak_macs_per_s": max(peak),
            "mac_utilisation": {
                "ours": macs["ours"] / median(full.ours) / max(peak),
                "nni": macs["nni"] / median(full.nni) / max(peak),
            },
            "nni_layout": layout,
            "nni_layout_s": trials,
            "device": ours.device,
            "threads": ours.threads,
        }
        tell("smaller images")
        result["pixels"] = _pixels(ours, problem, rounds, steps)
        result["shrinking"] = []
        for share in SHARES:
            if share < 1.0:
                tell(f"{rounds} rounds with {100 * share:g} % of the candidates alive")
            result["shrinking"].append(_shrunk(ours, nni, share, rounds, steps, full if share == 1.0 else None))
    return result


def _trial(problem: Problem, layout: str) -> float:
    """Seconds of NNI's second fastest iteration of a few in one memory format."""
    with Child("nni", problem, layout) as child:
        child.seconds(WARMUP)
        return sorted(child.seconds(1) for _ in range(3))[1]


def _rounds(ours: Child, nni: Child, rounds: int, steps: int, peak: list[float] | None = None) -> Series:
    own: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        pair = [(nni, theirs), (ours, own)]
        for child, seconds in pair if number % 2 else reversed(pair):
            seconds.append(child.seconds(steps))
        if peak is not None:
            peak.append(float(ours.ask("peak")["macs_per_s"]))
    return Series(tuple(own), tuple(theirs))


def _shrunk(ours: Child, nni: Child, share: float, rounds: int, steps: int, measured: Series | None) -> dict[str, Any]:
    """Our side with ``share`` of its candidates against NNI's, which keeps all."""
    alive = ours.ask("shrink", share=share)["alive"]
    if measured is None:
        ours.seconds(WARMUP)
        measured = _rounds(ours, nni, rounds, steps)
    return {"share": share, "alive": alive, "macs": ours.ask("count")["macs"], **measured.summary()}


def _pixels(ours: Child, problem: Problem, rounds: int, steps: int) -> list[dict[str, Any]]:
    """Our side on images of a quarter, half and all of the pixels, in turn."""
    height, width = problem.size
    sizes = [(height // 2, width // 2), (height // 2, width), (height, width)]
    seconds: dict[tuple[int, int], list[float]] = {size: [] for size in sizes if min(size) >= 32}
    macs = {}
    for number in range(rounds):
        for size, measured in seconds.items():
            ours.ask("resize", size=size)
            ours.seconds(WARMUP)
            measured.append(ours.seconds(steps))
            if number == 0:
                macs[size] = ours.ask("count")["macs"]
    return [
        {"size": f"{size[0]}x{size[1]}", "ours_s": median(measured), "macs": macs[size]}
        for size, measured in seconds.items()
    ]
