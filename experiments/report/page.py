"""The report of a search: four figures, and one HTML page that holds everything and needs nothing beside it."""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from experiments.options.quantity import compact
from experiments.report.figures import LEVELS, alive_figure, architecture_figure, entropy_figure, miou_figure, png
from experiments.runs.files import write_atomic
from experiments.runs.folder import CONFIG, METRICS
from nas_space.architecture import Architecture
from nas_space.errors import InputError

COLUMNS = ("epoch", "loss_w", "loss_a", "miou", "entropy", *(f"entropy_{level}" for level in LEVELS))
KEYS = ("strategy", "discrete", "discrete_epoch", "removals", "miou", "gap", "cost", "alive")
UNKNOWN = "not measured"

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #22313f; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; }
h2 { font-size: 1.1rem; margin-top: 2.2rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
dl div { background: #f4f6f8; border-radius: .4rem; padding: .6rem .8rem; }
dt { font-size: .8rem; color: #5c6d7a; }
dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .9rem .2rem 0; text-align: right; border-bottom: 1px solid #e2e7eb; }
th { font-weight: 600; font-size: .85rem; color: #5c6d7a; }
img { max-width: 100%; }
pre { background: #f4f6f8; padding: .8rem; overflow-x: auto; border-radius: .4rem; }
</style>
</head>
<body>
<h1>$title</h1>
<p>$verdict</p>
<dl>$facts</dl>
<h2>Found network</h2>
$architecture_image
$layers
<h2>Search</h2>
$search_images
<h2>Removals</h2>
$removals
<h2>Configuration</h2>
<pre>$config</pre>
<p>$versions</p>
</body>
</html>
""")


def write_report(run: Path) -> Path:
    """Draw ``figures/*.png`` and write ``report.html`` into the folder of a finished search.

    Args:
        run: the folder, with ``search.json``, ``metrics.csv`` and ``architecture.json``.

    Returns:
        The page.

    Raises:
        InputError: a file is missing or damaged; the message names it.
    """
    search = _read_search(run / "search.json")
    metrics = _read_metrics(run / METRICS)
    architecture = json.loads(Architecture.load(run / "architecture.json").to_json())
    discrete = search["discrete_epoch"]
    figures = {
        "architecture": architecture_figure(architecture),
        "entropy": entropy_figure(metrics, discrete),
        "alive": alive_figure(pd.DataFrame(search["alive"]), discrete),
        "miou": miou_figure(metrics, discrete, search["miou"]["derived"]),
    }
    images = {name: png(figure) for name, figure in figures.items()}
    for name in ("validation", "pareto"):
        picture = run / "figures" / f"{name}.png"
        if picture.is_file():
            images[name] = picture.read_bytes()
    config = run / CONFIG
    page = _page(search, architecture, images, config.read_text(encoding="utf-8") if config.is_file() else "")
    (run / "figures").mkdir(exist_ok=True)
    for name, image in images.items():
        write_atomic(run / "figures" / f"{name}.png", image)
    write_atomic(run / "report.html", page)
    return run / "report.html"


def _read_search(path: Path) -> dict[str, Any]:
    try:
        search = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; a search writes it at its end, continue it with --resume {path.parent}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    missing = [key for key in KEYS if key not in search]
    if missing:
        raise InputError(f"{path}: {missing[0]} is missing; this is not the summary of a search")
    return dict(search)


def _read_metrics(path: Path) -> pd.DataFrame:
    try:
        metrics = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    missing = [column for column in COLUMNS if column not in metrics]
    if missing or metrics.empty:
        raise InputError(f"{path}: {f'column {missing[0]} is missing' if missing else 'holds no epoch'}")
    return metrics


def _page(search: Mapping[str, Any], architecture: Mapping[str, Any], images: Mapping[str, bytes], config: str) -> str:
    title = f"{search['strategy']} on {search.get('dataset', 'unknown data')}, seed {search.get('seed')}"
    versions = {**search.get("versions", {}), "device": search.get("device", "unknown")}
    return PAGE.substitute(
        title=escape(title),
        verdict=escape(_verdict(search)),
        facts="".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in _facts(search)),
        architecture_image=_image("architecture", images),
        layers=_layers(architecture),
        search_images="\n".join(
            _image(name, images) for name in ("entropy", "alive", "miou", "pareto", "validation") if name in images
        ),
        removals=_removals(search["removals"]),
        config=escape(config or "not kept"),
        versions=escape(", ".join(f"{name} {version}" for name, version in versions.items())),
    )


def _verdict(search: Mapping[str, Any]) -> str:
    if not search["discrete"]:
        return "The search did not become discrete by itself: its network is the strongest candidate of every choice."
    if search["discrete_epoch"] is None:
        return "Every network was sampled and trained by itself: there was nothing to decide."
    rules = sorted({removal["rule"] for removal in search["removals"]})
    return f"Discrete at epoch {search['discrete_epoch']}" + (
        f", by these rules: {', '.join(rules)}." if rules else "."
    )


def _facts(search: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    miou, gap, cost = search["miou"], search["gap"] or {}, search["cost"]
    before = search.get("gap_before") or {}
    yield "mIoU, super-network", _percent(miou.get("supernet"))
    yield "mIoU, found network, same weights", _percent(miou.get("derived"))
    yield "loss, super-network to found network", _change(gap)
    yield "the same, before it was discrete", _change(before)
    for key, label in (
        ("params", "parameters"),
        ("macs_total", "MACs, as ptflops counts"),
        ("macs_conv", "MACs, convolutions"),
    ):
        yield label, UNKNOWN if cost.get(key) is None else compact(cost[key])
    seconds = (search.get("time") or {}).get("total_s")
    yield "time", UNKNOWN if seconds is None else f"{seconds / 60:.1f} min"
    memory = search.get("peak_memory_mb")
    yield "peak memory", UNKNOWN if memory is None else f"{memory:,.0f} MB"


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.2f} %"


def _change(gap: Mapping[str, Any]) -> str:
    before, after = gap.get("loss_supernet"), gap.get("loss_derived")
    return UNKNOWN if before is None or after is None else f"{before:.4f} to {after:.4f} ({after - before:+.1e})"


def _image(name: str, images: Mapping[str, bytes]) -> str:
    return f'<img alt="{escape(name)}" src="data:image/png;base64,{base64.b64encode(images[name]).decode()}">'


def _layers(architecture: Mapping[str, Any]) -> str:
    rows = [
        (
            i + 1,
            j + 1,
            layer["dilation"],
            layer["pooling"],
            f"{layer['width_3x1']}/{full}",
            f"{layer['width_1x3']}/{full}",
        )
        for i, (layers, full) in enumerate(zip(architecture["stages"], architecture["space"]["widths"], strict=True))
        for j, layer in enumerate(layers)
    ]
    return _table(("stage", "layer", "dilation", "pooling", "3x1 width", "1x3 width"), rows)


def _removals(removals: Sequence[Mapping[str, Any]]) -> str:
    if not removals:
        return "<p>None.</p>"
    counts = Counter((removal["level"], removal["rule"]) for removal in removals)
    rows = []
    for (level, rule), count in sorted(counts.items()):
        epochs = [removal["epoch"] for removal in removals if (removal["level"], removal["rule"]) == (level, rule)]
        rows.append((level, rule, count, min(epochs), max(epochs)))
    return _table(("level", "rule", "candidates", "first epoch", "last epoch"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def row(cells: Iterable[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{row(header, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"
