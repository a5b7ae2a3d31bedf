"""The comparison: rounds of both sides in turn, so that other work on the machine slows both."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from experiments.benchmark.search.child import Child, Problem

SHARES = (1.0, 0.5, 0.25, 0.1)
"""Shares of all candidates alive."""
LAYOUTS = ("channels_last", "contiguous")
WARMUP = 2
"""Iterations that do not count: at the beginning, and after every change of the space or the images."""


def summarise(ours: Sequence[float], nni: Sequence[float]) -> dict[str, Any]:
    """Medians over the rounds; the spread of the ratio is its lowest and its highest round.

    Args:
        ours: seconds per iteration by our strategy, one for each round.
        nni: by NNI's DARTS, in the same rounds.
    """
    ratios = [slow / fast for fast, slow in zip(ours, nni, strict=True)]
    spread = [min(ratios), max(ratios)]
    return {"ours_s": median(ours), "nni_s": median(nni), "ratio": median(ratios), "ratio_spread": spread}


def measure_sides(problem: Problem, rounds: int, steps: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Measure both sides.

    Args:
        problem: what is searched on.
        rounds: how often both are timed, at the whole space and at each smaller share of it.
        steps: iterations per round and side.
        report: called with what is measured next.

    Returns:
        Plain values, as ``ssr-nas benchmark search --json`` prints them.

    Raises:
        InputError: the memory does not suffice.
    """
    report("NNI's DARTS in both memory formats")
    layout_seconds = {layout: _seconds_in_layout(problem, layout) for layout in LAYOUTS}
    layout = min(layout_seconds, key=lambda name: layout_seconds[name])
    with Child("ours", problem, LAYOUTS[0]) as ours, Child("nni", problem, layout) as nni:
        sides = {"ours": ours, "nni": nni}
        for child in sides.values():
            child.seconds(WARMUP + steps)
        # Memory comes first: it is a peak, to which later measurements would add.
        memory = {name: float(child.ask("memory")["mib"]) for name, child in sides.items()}
        report(f"{rounds} rounds of the whole space")
        peaks: list[float] = []
        whole = _rounds(ours, nni, rounds, steps, peaks)
        macs = {name: float(child.ask("count")["macs"]) for name, child in sides.items()}
        result = {
            **whole,
            "peak_memory_mib": memory,
            "peak_memory_ratio": memory["ours"] / memory["nni"],
            "images_per_s": {name: 2 * problem.batch / whole[f"{name}_s"] for name in sides},
            "macs": macs,
            "convolution_peak_macs_per_s": max(peaks),
            "mac_utilisation": {name: macs[name] / whole[f"{name}_s"] / max(peaks) for name in sides},
            "nni_layout": layout,
            "nni_layout_s": layout_seconds,
            "device": ours.device,
            "threads": ours.threads,
        }
        report("smaller images")
        result["pixels"] = _smaller_images(ours, problem, rounds, steps)
        result["shrinking"] = []
        for share in SHARES:
            if share < 1.0:
                report(f"{rounds} rounds with {100 * share:g} % of the candidates alive")
            result["shrinking"].append(_smaller_space(ours, nni, share, rounds, steps, whole))
    return result


def _seconds_in_layout(problem: Problem, layout: str) -> float:
    """Of NNI's side: the median of three iterations."""
    with Child("nni", problem, layout) as child:
        child.seconds(WARMUP)
        return sorted(child.seconds(1) for _ in range(3))[1]


def _rounds(ours: Child, nni: Child, rounds: int, steps: int, peaks: list[float] | None = None) -> dict[str, Any]:
    seconds: dict[Child, list[float]] = {nni: [], ours: []}
    for number in range(rounds):
        for child in seconds if number % 2 else reversed(seconds):
            seconds[child].append(child.seconds(steps))
        if peaks is not None:
            peaks.append(float(ours.ask("peak")["macs_per_s"]))
    return summarise(seconds[ours], seconds[nni])


def _smaller_space(
    ours: Child, nni: Child, share: float, rounds: int, steps: int, measured: dict[str, Any]
) -> dict[str, Any]:
    """Our side with ``share`` of its candidates against NNI's, which keeps all."""
    alive = ours.ask("shrink", share=share)["alive"]
    if share < 1.0:
        ours.seconds(WARMUP)
        measured = _rounds(ours, nni, rounds, steps)
    return {"share": share, "alive": alive, "macs": ours.ask("count")["macs"], **measured}


def _smaller_images(ours: Child, problem: Problem, rounds: int, steps: int) -> list[dict[str, Any]]:
    """Our side on images of a quarter, half and all of the pixels, in turn."""
    height, width = problem.size
    sizes = [(height // 2, width // 2), (height // 2, width), (height, width)]
    seconds: dict[tuple[int, int], list[float]] = {
        size: [] for size in sizes if min(size) >= problem.space.smallest_side
    }
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
