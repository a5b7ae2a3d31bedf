"""The report of a training from scratch: one HTML page that needs nothing beside it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.report import figures
from experiments.report.beside_baseline import about_table, beside_baseline, clock_of, name_of, read_speed
from experiments.report.figures import png
from experiments.report.render import render
from experiments.report.run_files import class_rows, config_text, value_of
from experiments.report.summaries import read_metrics
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic
from experiments.runs.folder import METRICS, read_summary
from experiments.runs.names import visible
from experiments.runs.tables import counted, duration, number
from experiments.runs.wording import look_command
from nas_space.architecture import Architecture
from nas_space.errors import InputError

TEMPLATE = "retrain.html.j2"
NEEDED = ("miou", "best", "epochs", "minutes", "cost", "per_class", "versions", "device")
COLUMNS = ("epoch", "loss_w", "miou", "val_loss")


def write_retrain_report(run: Path) -> Path:
    """Write ``report.html`` and ``figures/training.png`` into the folder of a finished training; returns the page.

    A figure that cannot be drawn is told, and left out of the page.

    Args:
        run: the folder, with ``retrain.json`` and ``metrics.csv``; also ``architecture.json``, unless it is of a peer.

    Raises:
        InputError: a file is missing or damaged; the message names it.
    """
    summary = read_summary(run / "retrain.json", NEEDED)
    metrics = read_metrics(run / METRICS, COLUMNS)
    file = run / "architecture.json"
    network = Architecture.load(file) if file.is_file() else None
    drawings: dict[str, Callable[[], Figure]] = {"training": lambda: figures.training_figure(metrics)}
    if network is not None:
        content = json.loads(network.to_json())
        scale = "1/4" if summary.get("head") == "aggregation" else "1/8"
        drawings["architecture"] = lambda: figures.architecture_figure(content, scale)
    images: dict[str, bytes] = {}
    for name, draw in drawings.items():
        with decoration(f"the figure {run / 'figures' / name}.png"):
            images[name] = png(draw())
    try:
        page = _page(run, summary, network, images)
    except (InputError, TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            f"{run / 'retrain.json'}: is damaged ({reason}); take it from where retrain wrote it"
        ) from None
    write_atomic(run / "report.html", page.encode("utf-8", "backslashreplace"))
    if "training" in images:
        with decoration(f"{run / 'figures'}"):
            (run / "figures").mkdir(exist_ok=True)
            write_atomic(run / "figures" / "training.png", images["training"])
    return run / "report.html"


def _page(run: Path, summary: Mapping[str, Any], network: Architecture | None, images: Mapping[str, bytes]) -> str:
    config, speed, classes = config_text(run), read_speed(run), class_rows(summary)
    name = name_of(network, summary.get("peer"), value_of(config, "arch"))
    heads = network.space.heads if network is not None else ()
    head = next((head for head in heads if head == summary.get("head")), None)
    versions = {**summary["versions"], "device": summary["device"]}
    return render(
        TEMPLATE,
        images,
        title=visible(f"{name} on {summary.get('dataset', 'unknown data')}, seed {summary.get('seed')}"),
        verdict=_verdict(summary),
        next=look_command(run, str(summary.get("dataset"))),
        networks=beside_baseline(network, name, summary["cost"], summary["miou"], speed, len(classes), head),
        about=about_table(network, name, summary["cost"], len(classes), head),
        clock=clock_of(speed),
        classes=classes,
        config=config,
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
    )


def _verdict(summary: Mapping[str, Any]) -> str:
    best, labels = summary["best"], summary.get("resolution", "their own size")
    values = [one["miou"] for one in (summary, best)]
    if None in values:  # a training that diverged
        return "This training has no score: it diverged. Train again, with a smaller lr."
    scores = [f"{number(100 * float(value), 1)} %" for value in values]
    trained = f"{counted(int(summary['epochs']), 'epoch')} in {duration(60 * float(summary['minutes']))}"
    better = f"The best epoch, {best['epoch']}, had {scores[1]}: its network is in best/."
    return f"mIoU {scores[0]} on the validation images, labels at {labels}, after {trained}. {better}"
