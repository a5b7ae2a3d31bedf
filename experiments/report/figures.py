"""Figures of searches, trainings, comparisons and networks: pure functions from data to a matplotlib figure."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch
from matplotlib.ticker import MaxNLocator

from experiments.report.colours import series
from experiments.report.lettering import TEXT, WIDTH, drawable, letter, plain_text

if TYPE_CHECKING:
    import pandas as pd

LEVELS = {"depth": "#2a6f97", "operator": "#c8553d", "width": "#4c956c"}
INK, PALE, GREY = "#22313f", "#e9edf0", "#b8c4ce"
DPI = 150


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with plain_text():
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def entropy_figure(metrics: "pd.DataFrame", discrete_epoch: int | None) -> Figure:
    """Entropy of the architecture distribution, in all and of each level.

    Args:
        metrics: a row for each epoch, with ``epoch``, ``entropy`` and ``entropy_<level>``.
        discrete_epoch: the first epoch with one candidate in every choice; None if there was none.
    """
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    columns = {"entropy": "all levels", **{f"entropy_{level}": level for level in LEVELS}}
    for axes, (column, title) in zip(figure.subplots(2, 2).flat, columns.items(), strict=True):
        color = LEVELS.get(title, INK)
        _curve(axes, metrics["epoch"], metrics[column], color=color)
        axes.fill_between(metrics["epoch"], metrics[column], color=color, alpha=0.12, linewidth=0)
        _style_epochs(axes, title, discrete_epoch)
    figure.supylabel("entropy (nats)", fontsize=TEXT)
    return figure


def alive_figure(alive: "pd.DataFrame", discrete_epoch: int | None) -> Figure:
    """Candidates alive, by level.

    Args:
        alive: counts during each epoch and, under the next number, after the last: ``epoch`` and a column per level.
        discrete_epoch: as for ``entropy_figure``.
    """
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    done = alive["epoch"] - 1  # epochs: a removal is drawn at the end of its epoch
    for axes, (level, color) in zip(figure.subplots(1, 3), LEVELS.items(), strict=True):
        axes.step(done, alive[level], where="post", color=color, linewidth=2)
        axes.fill_between(done, alive[level], step="post", color=color, alpha=0.12, linewidth=0)
        _style_epochs(axes, level, discrete_epoch)
        end = (done.iloc[-1], alive[level].iloc[-1])
        axes.annotate(f"{end[1]:.0f}", end, xytext=(0, 4), textcoords="offset points", ha="right")
    figure.supylabel("candidates left", fontsize=TEXT)
    return figure


def miou_figure(metrics: "pd.DataFrame", discrete_epoch: int | None, derived: float | None) -> Figure:
    """Validation mIoU of the super-network, and both training losses.

    Args:
        metrics: a row for each epoch, with ``epoch``, ``miou`` (a fraction), ``loss_w`` and ``loss_a``.
        discrete_epoch: as for ``entropy_figure``.
        derived: mIoU of the network that was found, with the super-network's weights.
    """
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1)
    validated = metrics.dropna(subset=["miou"])
    miou, style = 100 * validated["miou"], {"marker": "o", "markersize": 3, "label": "super-network"}
    above.plot(validated["epoch"], miou, color=INK, linewidth=2, **style)
    if derived is not None and len(metrics):
        end = metrics["epoch"].iloc[-1]
        above.plot(
            end, 100 * derived, "*", color=LEVELS["operator"], markersize=14, label="found network, same weights"
        )
    for column, label, color in (("loss_w", "weights", INK), ("loss_a", "architecture", LEVELS["operator"])):
        trained = metrics.dropna(subset=[column])
        _curve(below, trained["epoch"], trained[column], color=color, label=label)
    for axes, title in ((above, _miou_title(metrics)), (below, "training loss")):
        _style_epochs(axes, title, discrete_epoch, named=True)
        axes.legend(frameon=False, fontsize=TEXT)
    return figure


def training_figure(metrics: "pd.DataFrame") -> Figure:
    """Curves of a training from scratch: validation mIoU and losses by epoch, a line where a stage begins.

    Args:
        metrics: a row for each epoch: ``epoch``, ``stage``, ``loss_w``, and if validated ``miou``, ``val_loss``.
    """
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1)
    validated = metrics.dropna(subset=["miou"])
    miou, loss = 100 * validated["miou"].astype(float), validated["val_loss"].astype(float)
    above.plot(validated["epoch"], miou, "o-", color=LEVELS["width"], linewidth=2, markersize=4)
    _curve(below, metrics["epoch"], metrics["loss_w"], color=INK, label="training")
    _curve(below, validated["epoch"], loss, color=LEVELS["operator"], label="validation")
    starts = metrics.groupby("stage", sort=False)["epoch"].min()
    for axes, title in ((above, _miou_title(metrics)), (below, "loss")):
        _style_epochs(axes, title, None)
        for stage, epoch in starts.items() if len(starts) > 1 else ():
            axes.axvline(epoch - 0.5, color=INK, linewidth=1, linestyle=":")
            axes.text(epoch - 0.5, 0.03, f" {stage}", transform=axes.get_xaxis_transform(), fontsize=TEXT, color=INK)
    below.legend(frameon=False, fontsize=TEXT)
    return figure


def _curve(axes: Axes, epochs: "pd.Series[Any]", values: "pd.Series[Any]", **style: Any) -> None:
    """A line through the epochs; a point where there is only one, of which a line would show nothing."""
    axes.plot(epochs, values, linewidth=2, marker="o" if len(epochs) == 1 else "", **style)


def _miou_title(metrics: "pd.DataFrame") -> str:
    """What the scores of a ``metrics.csv`` are; files of earlier versions do not name the labels' resolution."""
    named = list(metrics["miou_resolution"].dropna()) if "miou_resolution" in metrics else []
    return "validation mIoU (%)" + (f", labels at {named[-1]}" if named else "")


def style(axes: Axes, title: str, below: str, grid: Literal["both", "y"]) -> None:
    """What all diagrams share: a title, a name below, and pale lines behind.

    Args:
        axes: the diagram.
        title: stands above it.
        below: names what runs from left to right.
        grid: which lines.
    """
    axes.set_title(title, fontsize=TEXT, color=INK, loc="left")
    axes.set_xlabel(below, fontsize=TEXT)
    axes.tick_params(labelsize=TEXT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=PALE)
    axes.set_axisbelow(True)


def _style_epochs(axes: Axes, title: str, discrete_epoch: int | None, named: bool = False) -> None:
    style(axes, title, "epoch", "y")
    axes.set_ylim(bottom=min(0.0, axes.dataLim.y0))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    if discrete_epoch is not None:
        axes.axvline(discrete_epoch, color=INK, linewidth=1, linestyle=":")
    if discrete_epoch is not None and named:
        text = axes.text(discrete_epoch, 0.5, "discrete ", fontsize=TEXT, rotation=90, va="center", ha="right")
        text.set_transform(axes.get_xaxis_transform())


def architecture_figure(architecture: Mapping[str, Any], scale_of_classes: str = "1/8") -> Figure:
    """The network from input to output: a row per layer, its two convolutions as bars as wide as they have channels.

    Args:
        architecture: the content of ``architecture.json``.
        scale_of_classes: side of the logits over that of the image.
    """
    space, stages = architecture["space"], architecture["stages"]
    scale = max(space["widths"])
    colors = _dilation_colors(space["dilations"])
    rows = sum(map(len, stages)) + len(stages) + 2
    figure = Figure(figsize=(WIDTH, 0.4 * rows + 1.0), layout="constrained")
    axes = figure.subplots()
    _draw_fixed(axes, 0, space["stem"] / scale, f"to 1/2, {space['stem']} channels")
    y = 1
    for i, (layers, full) in enumerate(zip(stages, space["widths"], strict=True)):
        _draw_fixed(axes, y, full / scale, f"to 1/{2 ** (i + 2)}, {full} channels")
        for j, layer in enumerate(layers):
            _draw_layer(axes, y + 1 + j, layer, full, scale, colors[layer["dilation"]])
        y += 1 + len(layers)
    joined = "" if len(stages) == 2 else "all stages, "
    _draw_fixed(axes, y, 0.35, f"{joined}classes at {scale_of_classes}")
    axes.set(xlim=(-1.0, 1.3), ylim=(y + 0.7, -0.7))
    axes.set_axis_off()
    legend = [Patch(facecolor=color, edgecolor=INK, label=f"dilation {dilation}") for dilation, color in colors.items()]
    legend.append(Patch(facecolor="white", edgecolor=INK, hatch="////", label="at half resolution"))
    figure.legend(handles=legend, loc="outside lower center", ncols=3, frameon=False, fontsize=TEXT)
    return figure


def _draw_layer(axes: Axes, y: float, layer: Mapping[str, int], full: int, scale: int, color: str) -> None:
    """A pale box as wide as the stage, in it the 3x1 convolution above the 1x3."""
    pooling = layer["pooling"]
    _draw_box(axes, y, 0.84, full / scale, PALE, edgecolor="none")
    for offset, key in ((-0.19, "width_3x1"), (0.19, "width_1x3")):
        hatch = "////" if pooling > 1 else None
        _draw_box(axes, y + offset, 0.32, layer[key] / scale, color, edgecolor=INK, hatch=hatch)
    right = f"dilation {layer['dilation']}" + (f", pooled by {pooling}" if pooling > 1 else "")
    axes.text(0.56, y, right, va="center", fontsize=TEXT, color=INK)
    left = f"{layer['width_3x1']} · {layer['width_1x3']} of {full}"
    axes.text(-0.56, y, left, va="center", ha="right", fontsize=TEXT, color=INK)


def _draw_fixed(axes: Axes, y: float, width: float, text: str) -> None:
    _draw_box(axes, y, 0.5, width, GREY, edgecolor="none")
    axes.text(0.56, y, text, va="center", fontsize=TEXT, color="#566571", style="italic")


def _draw_box(axes: Axes, y: float, height: float, width: float, color: str, **style: Any) -> None:
    corner, corners = (-width / 2, y - height / 2), "round,pad=0,rounding_size=0.012"
    axes.add_patch(FancyBboxPatch(corner, width, height, corners, facecolor=color, linewidth=0.6, **style))


def _dilation_colors(dilations: Sequence[int]) -> dict[int, str]:
    steps = max(len(dilations) - 1, 1)
    return {dilation: to_hex(colormaps["YlGnBu"](0.15 + 0.75 * i / steps)) for i, dilation in enumerate(dilations)}


def comparison_figure(
    curves: Mapping[str, "pd.DataFrame"], column: str = "entropy", title: str = "entropy (nats)"
) -> Figure:
    """A number of each search by epoch, such as the total entropy (SSR paper, Figures 5f and 8): a line for each.

    Args:
        curves: ``epoch`` and ``column`` of each search ``<strategy>-<seed>``; a strategy's searches share a colour.
        column: what is drawn.
        title: what stands beside the axis.
    """
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    axes = figure.subplots()
    drawn: dict[str, Line2D] = {}
    for name, metrics in curves.items():
        strategy = name.rpartition("-")[0]
        place = list(drawn).index(strategy) if strategy in drawn else len(drawn)
        look: dict[str, Any] = {"linewidth": 1.6, "alpha": 0.9, "marker": "o" if len(metrics) == 1 else ""}
        (line,) = axes.plot(metrics["epoch"], metrics[column], **look, **series(place))
        drawn.setdefault(strategy, line)
    style(axes, title, "epoch", "y")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    if column == "entropy":
        axes.set_ylim(0, None)
    if drawn:
        # Matplotlib leaves out what begins with _, so the names are set afterwards.
        places = [str(place) for place in range(len(drawn))]
        handles = list(drawn.values())
        legend = figure.legend(handles, places, loc="outside lower center", ncols=2, frameon=False, fontsize=TEXT)
        for text, name in zip(legend.get_texts(), drawable(list(drawn)), strict=True):
            letter(text, name)
    return figure


def front_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The networks of several targets by found cost and mIoU, the front as a line, the targets as dotted lines.

    Args:
        rows: one a network, with ``key`` (which cost), ``target``, ``found``, ``miou`` (a fraction),
            ``miou_resolution`` and ``front``.
    """
    units = {"macs": (1e6, "MACs (millions)"), "params": (1e6, "parameters (millions)")}
    unit, label = units.get(rows[0]["key"], (1.0, "predicted latency (ms)"))
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    axes = figure.subplots()
    best = sorted((row for row in rows if row["front"]), key=lambda row: row["found"])
    axes.plot([row["found"] / unit for row in best], [100 * row["miou"] for row in best], color=LEVELS["width"])
    for row in rows:
        axes.axvline(row["target"] / unit, color=GREY, linewidth=1, linestyle=":")
        color = LEVELS["width"] if row["front"] else GREY
        axes.plot(row["found"] / unit, 100 * row["miou"], "o", color=color, markersize=7)
    title = f"validation mIoU (%), labels at {rows[0]['miou_resolution']}; dotted: the targets"
    style(axes, title, label, "both")
    return figure


def pareto_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Networks of one search by cost and mIoU, the front as a line.

    Args:
        rows: one a distinct network, with ``epoch``, ``macs_total``, ``miou`` (a fraction) and ``front``; the one with
            ``found`` is a star.
    """
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    axes = figure.subplots()
    best = sorted((row for row in rows if row["front"]), key=lambda row: row["macs_total"])
    macs, miou = [row["macs_total"] / 1e6 for row in best], [100 * row["miou"] for row in best]
    axes.plot(macs, miou, color=LEVELS["width"], linewidth=2)
    for row in rows:
        point = row["macs_total"] / 1e6, 100 * row["miou"]
        marker, size = ("*", 15) if row.get("found") else ("o", 7)
        axes.plot(*point, marker, color=LEVELS["width"] if row["front"] else GREY, markersize=size)
        axes.annotate(f"{row['epoch']}", point, xytext=(5, 4), textcoords="offset points", fontsize=TEXT, color=INK)
    named = next((f", labels at {row['miou_resolution']}" for row in rows if "miou_resolution" in row), "")
    style(axes, f"validation mIoU (%){named}, by epoch or trial", "MACs (millions)", "both")
    return figure
