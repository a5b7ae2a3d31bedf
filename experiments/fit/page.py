"""The report of a fit: one HTML page that needs nothing beside it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.fit.score import Validation
from experiments.report import fit_figures
from experiments.report.confusion import confusion_figure
from experiments.report.figures import png
from experiments.report.render import render
from experiments.report.run_files import class_rows
from experiments.runs.columns import FPS, LATENCY, MIOU, cells
from experiments.runs.decoration import decoration
from experiments.runs.environment import versions
from experiments.runs.files import write_atomic
from experiments.runs.names import visible
from experiments.runs.tables import counted, number, numbers

TEMPLATE = "fit.html.j2"


def write_page(
    file: Path, points: Sequence[Mapping[str, Any]], validation: Validation, told: Mapping[str, Any]
) -> None:
    """Write the page; a figure that cannot be drawn is told, and left out.

    Args:
        file: the page.
        points: of ``fit.json``.
        validation: of the first point's network.
        told: ``minutes`` of each step, ``plan`` in lines, ``title``, ``size`` (of the network's images) and ``photo``.
    """
    rows = network_rows(points)
    drawings: dict[str, Callable[[], Figure]] = {
        "front": lambda: fit_figures.latency_figure(rows, [point["target_ms"] for point in points]),
        "confusion": lambda: confusion_figure(validation.confusion.numpy(), validation.classes),
        "best and worst": validation.pictures,
    }
    images: dict[str, bytes] = {}
    for name, draw in drawings.items():
        with decoration(f"the figure {name}"):
            images[name] = png(draw())
    scores, first = validation.summary(), points[0]
    minutes = [*told["minutes"].items(), ("all", sum(told["minutes"].values()))]
    page = render(
        TEMPLATE,
        images,
        title=visible(told["title"]),
        verdict=verdict(first),
        next=f"python predict.py PHOTO  # in this folder: segments a photo by {first['chosen']['file']}",
        facts=list(_facts(first, scores, points, told["size"], told["photo"])),
        networks=_table(rows),
        classes=class_rows(scores),
        unscored=unscored(scores["per_class"]),
        weakest=validation.weakest(),
        done=list(_done(points)),
        minutes=[(name, f"{value:.1f}") for name, value in minutes],
        plan="\n".join(told["plan"]),
        clock=_clock(first["chosen"]),
        versions=", ".join(f"{name} {version}" for name, version in versions().items()),
    )
    write_atomic(file, page.encode("utf-8", "backslashreplace"))


def verdict(point: Mapping[str, Any]) -> str:
    """Whether a point's network holds its latency, in one sentence."""
    chosen, target = point["chosen"], number(point["target_ms"])
    took = f"{chosen['name']} takes {number(chosen['ms'])} ms"
    if point["holds"]:
        return f"{took}, within {target} ms."
    count = len(point["tried"])
    return f"None of {count} networks that were trained holds {target} ms; the closest is delivered: {took}."


def photo_line(scores: Mapping[str, Any], size: str) -> str:
    """What the latency leaves out, in one sentence.

    Args:
        scores: of ``fit.json``, with ``photo``.
        size: of the images that the network sees.
    """
    photo = scores["photo"]
    whole = "{}x{}".format(*photo["size"])
    took = f"A whole photo of {whole} takes {number(photo['ms'])} ms, with resizing and without reading its file"
    return f"That is the network alone, at {size}. {took}."


def unscored(per_class: Mapping[str, float | None]) -> str:
    """Which classes have no score, in a sentence; empty where all have one."""
    missing = [visible(name) for name, iou in per_class.items() if iou is None or iou != iou]
    if not missing:
        return ""
    whose = "its" if len(missing) == 1 else "their"
    mean = f"mIoU is the mean of the other {len(per_class) - len(missing)}"
    return f"No validation image has {' or '.join(missing)}: {whose} quality is unknown, and {mean}."


def network_rows(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each network that raced: its point, latency, score, final score and whether it was delivered."""
    rows = []
    for point in points:
        trained = {one["name"]: one for one in point["tried"]}
        made = {one["name"] for one in point["hand_made"]}
        for one in point["race"]["networks"]:
            own = trained.get(one["name"], {})
            rows.append(
                {
                    "point": point["name"],
                    "name": one["name"],
                    "ms": own.get("ms", one["ms"]),
                    "race": one["mious"][0] if one["mious"] else None,
                    "rounds": one["mious"],
                    "final": own.get("miou"),
                    "is_hand_made": one["name"] in made,
                    "is_delivered": one["name"] == point["chosen"]["name"],
                }
            )
    return rows


def _facts(
    first: Mapping[str, Any],
    scores: Mapping[str, Any],
    points: Sequence[Mapping[str, Any]],
    size: str,
    photo: Mapping[str, Any],
) -> Iterator[tuple[str, str]]:
    chosen = first["chosen"]
    yield "images that the network sees", size
    yield "mIoU on the validation images", f"{number(100 * scores['miou'], 1)} %"
    yield "latency of the network, fp32", _latency(chosen["ms"])
    if chosen["ms_int8"] is not None:
        yield "latency of the network, int8", _latency(chosen["ms_int8"])
        before, after = numbers([100 * chosen["int8"][key] for key in ("miou_before", "miou")], 1)
        yield "mIoU, fp32 to int8", f"{before} to {after} %"
    yield "a whole photo of {}x{}, without reading its file".format(*photo["size"]), _latency(photo["ms"])
    yield "parameters", f"{chosen['cost']['params']:,.0f}"
    for point in points[1:]:
        own = point["chosen"]
        yield point["name"], f"{number(100 * own['miou'], 1)} %, {_latency(own['ms'])}"


def _latency(ms: float) -> str:
    return f"{number(ms)} ms, {number(1000 / ms)} FPS"


def _done(points: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What was searched and trained, a sentence each."""
    for point in points:
        for one in point["searches"]:
            ends = "ended discrete" if one["discrete"] else "did not end discrete: its network was cut out"
            yield f"{point['name']}, {one['name']}: {counted(one['epochs'], 'epoch')}, and {ends}."
        for one in point["hand_made"]:
            if one["note"]:
                yield f"{one['name']}: did not race: {visible(one['note'])}."
        for one in point["tried"]:
            begin = "random weights" if one["init"] is None else f"the weights of {one['init']}"
            took = f"its file takes {number(one['ms'])} ms"
            yield f"{point['name']}, final training of {one['name']}: began with {begin}; {took}."
            if one["int8"]["file"] is None:
                yield f"{point['name']}: no int8 file: {visible(one['int8']['note'])}."


def _clock(chosen: Mapping[str, Any]) -> str:
    """What measured the latency, and what makes it uncertain."""
    warned = f" Warning: {chosen['warning']}." if chosen["warning"] else ""
    return f"Latency: {chosen['clock']}.{warned}"


def _table(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The header and a row for each network; several points have a column that tells which."""
    points = [row["point"] for row in rows] if len({row["point"] for row in rows}) > 1 else None
    most = max((len(row["rounds"]) for row in rows), default=0)
    rounds = [[row["rounds"][place] if place < len(row["rounds"]) else None for row in rows] for place in range(most)]
    times = [row["ms"] for row in rows]
    rates = cells(FPS, [None if ms is None else 1000 / ms for ms in times])
    columns = {
        **({} if points is None else {"point": points}),
        "network": [visible(row["name"]) for row in rows],
        LATENCY.name: cells(LATENCY, times),
        FPS.name: rates,
        **{f"round {place + 1}, {MIOU.name}": cells(MIOU, scores) for place, scores in enumerate(rounds)},
        f"final {MIOU.name}": cells(MIOU, [row["final"] for row in rows]),
        "delivered": ["yes" if row["is_delivered"] else "no" for row in rows],
    }
    return [tuple(columns), *zip(*columns.values(), strict=True)]
