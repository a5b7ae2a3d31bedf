"""The report of a search: its figures, and one HTML page that holds everything and needs nothing beside it."""

import json
import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.options.groups import parse_size
from experiments.options.quantity import compact
from experiments.report import choices, figures
from experiments.report.beside_baseline import about_table, beside_baseline, clock_of, name_of, read_speed
from experiments.report.figures import LEVELS, png
from experiments.report.pareto import PARETO, distinct_networks
from experiments.report.render import render
from experiments.report.run_files import class_rows, config_text, data_flags_of
from experiments.report.summaries import read_metrics
from experiments.runs.columns import LATENCY
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic
from experiments.runs.folder import METRICS
from experiments.runs.names import visible
from experiments.runs.probabilities import PROBABILITIES
from experiments.runs.processes import program
from experiments.runs.wording import CASCADE, deciding_rules
from nas_space.architecture import Architecture
from nas_space.errors import InputError

COLUMNS = ("epoch", "loss_w", "loss_a", "miou", "entropy", *(f"entropy_{level}" for level in LEVELS))
KEYS = ("strategy", "discrete", "discrete_epoch", "removals", "miou", "gap", "cost", "alive")
COSTS = {"params": "parameters", "macs": "MACs", "latency_ms": LATENCY.name}
UNKNOWN = "not measured"
TEMPLATE = "page.html.j2"


def write_report(run: Path) -> Path:
    """Write ``report.html`` and ``figures/*.png`` into the folder of a finished search; returns the page's path.

    A figure that cannot be drawn is told, and left out of the page.

    Args:
        run: the folder, with ``search.json``, ``metrics.csv`` and ``architecture.json``.

    Raises:
        InputError: a file is missing or damaged; the message names it.
    """
    search = _read_search(run / "search.json")
    metrics = read_metrics(run / METRICS, COLUMNS)
    network = Architecture.load(run / "architecture.json")
    architecture = json.loads(network.to_json())
    discrete = search["discrete_epoch"]
    drawings: dict[str, Callable[[], Figure]] = {
        "architecture": lambda: figures.architecture_figure(architecture),
        "entropy": lambda: figures.entropy_figure(metrics, discrete),
        "alive": lambda: figures.alive_figure(pd.DataFrame(search["alive"]), discrete),
        "miou": lambda: figures.miou_figure(metrics, discrete, search["miou"]["derived"]),
    }
    if (run / PARETO).is_file():
        drawings["pareto"] = lambda: figures.pareto_figure(distinct_networks(run))
    if (run / PROBABILITIES).is_file():
        drawings["probabilities"] = lambda: choices.probabilities_figure(run)
    images: dict[str, bytes] = {}
    for name, draw in drawings.items():
        with decoration(f"the figure {run / 'figures' / name}.png"):
            images[name] = png(draw())
    picture = run / "figures" / "validation.png"
    with decoration(f"{picture}"):
        if picture.is_file():
            images["validation"] = picture.read_bytes()
    page = _page(run, search, network, images)
    write_atomic(run / "report.html", page.encode("utf-8", "backslashreplace"))  # a name may be in no encoding
    with decoration(f"{run / 'figures'}"):
        (run / "figures").mkdir(exist_ok=True)
        for name in images.keys() & drawings.keys():
            write_atomic(run / "figures" / f"{name}.png", images[name])
    return run / "report.html"


def _read_search(path: Path) -> dict[str, Any]:
    try:
        search = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        fix = f"a search writes it at its end, continue it with --resume {path.parent}"
        raise InputError(f"{path}: no such file; {fix}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    missing = [key for key in KEYS if not isinstance(search, dict) or key not in search]
    if missing:
        raise InputError(f"{path}: {missing[0]} is missing; this is not the summary of a search")
    try:
        _verdict(search), list(_facts(search)), _removals(search["removals"])  # what the page is made of
        dict(search.get("versions", {}))
        discrete, miou, cost = search["discrete_epoch"], search["miou"], search["cost"]
        optional = [miou["derived"], miou.get("derived_full"), discrete, cost.get("params"), cost.get("macs_total")]
        numbers = [n for n in (*optional, *search.get("per_class", {}).values()) if n is not None]
        parse_size(cost.get("size", "32x32"))
        numbers += [row[key] for row in search["alive"] for key in ("epoch", *LEVELS)]
        if not search["alive"] or not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
            raise ValueError("no number where one is due")
    except (InputError, TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: is damaged ({reason}); take it from where the search wrote it") from None
    return dict(search)


def _page(run: Path, search: Mapping[str, Any], network: Architecture, images: Mapping[str, bytes]) -> str:
    versions = {**search.get("versions", {}), "device": search.get("device", "unknown")}
    config, speed, classes = config_text(run), read_speed(run), class_rows(search)
    miou = search["miou"].get("derived_full", search["miou"].get("derived"))
    head = next((head for head in network.space.heads if head == search["cost"].get("head")), None)
    name = "found" if name_of(network) == "found" else f"found ({name_of(network)})"
    return render(
        TEMPLATE,
        images,
        title=visible(f"{search['strategy']} on {search.get('dataset', 'unknown data')}, seed {search.get('seed')}"),
        verdict=_verdict(search),
        next=f"{program()} retrain --arch {shlex.quote(str(run / 'architecture.json'))}{data_flags_of(config)}",
        facts=list(_facts(search)),
        networks=beside_baseline(network, name, search["cost"], miou, speed, len(classes), head),
        about=about_table(network, name, search["cost"], len(classes), head),
        clock=clock_of(speed),
        classes=classes,
        layers=_layers(json.loads(network.to_json())),
        removals=_removals(search["removals"]),
        cascade=any(removal["rule"] == CASCADE for removal in search["removals"]),
        config=config,
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
    )


def _verdict(search: Mapping[str, Any]) -> str:
    if not search["discrete"]:
        return "The search did not become discrete by itself: its network is the strongest candidate of every choice."
    if search["discrete_epoch"] is None:
        return "Every network was sampled and trained by itself: there was nothing to decide."
    rules = deciding_rules(search["removals"])
    return f"Discrete since epoch {search['discrete_epoch']}{f', by {rules}' if rules else ''}."


def _facts(search: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    miou = search["miou"]
    at, full = (f", labels at {miou[key]}" if key in miou else "" for key in ("resolution", "resolution_full"))
    yield f"mIoU, super-network{at}", _percent(miou.get("supernet"))
    yield f"mIoU, found network, same weights{at}", _percent(miou.get("derived"))
    if full:
        yield f"mIoU, found network{full} as in a retraining", _percent(miou.get("derived_full"))
    yield "loss, super-network to found network", _change(search["gap"] or {})
    if search["discrete"]:
        yield "the same, before it was discrete", _change(search.get("gap_before") or {})
    for kind, what, limit in (("target", "target of", "target"), ("constraint", "bound on", "limit")):
        for key, bound in (search.get(kind) or {}).items():
            met = "met" if bound["met"] else "not met"
            yield f"{what} {COSTS.get(key, key)}", f"{compact(bound[limit])}, found {compact(bound['found'])}: {met}"
    if "clock" in search:
        yield "milliseconds are those of", visible(str(search["clock"]))
    seconds = (search.get("time") or {}).get("total_s")
    yield "time", UNKNOWN if seconds is None else f"{seconds / 60:.1f} min"
    memory = search.get("peak_memory_mb")
    yield "peak memory", UNKNOWN if memory is None else f"{memory:,.0f} MiB"


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.2f} %"


def _change(gap: Mapping[str, Any]) -> str:
    before, after = gap.get("loss_supernet"), gap.get("loss_derived")
    return UNKNOWN if before is None or after is None else f"{before:.4f} to {after:.4f} ({after - before:+.1e})"


def _layers(architecture: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """Rows of stage, layer, dilation, pooling and the widths of both convolutions."""
    return [
        (i, j, layer["dilation"], layer["pooling"], f"{layer['width_3x1']}/{full}", f"{layer['width_1x3']}/{full}")
        for i, (layers, full) in enumerate(zip(architecture["stages"], architecture["space"]["widths"], strict=True), 1)
        for j, layer in enumerate(layers, 1)
    ]


def _removals(removals: Sequence[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """Rows of level, rule, candidates removed, and their first and last epoch."""
    epochs: dict[tuple[str, str], list[int]] = {}
    for removal in removals:
        epochs.setdefault((removal["level"], removal["rule"]), []).append(removal["epoch"])
    return [(*key, len(values), min(values), max(values)) for key, values in sorted(epochs.items())]
