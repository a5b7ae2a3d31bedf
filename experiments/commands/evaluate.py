"""Score a trained network at the labels' own resolution.

All scores but boundary F1 come from one confusion matrix over the whole split. Images are resized to the size that the
network was trained at, or to eval.size; the network's logits are upsampled to each label.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.options.device import resolve_device
from experiments.options.groups import DataOptions
from experiments.prediction.options import EvalOptions
from experiments.prediction.trained_on import as_trained, find_split
from experiments.runs.decoration import decoration
from experiments.runs.files import new_file, write_atomic, write_json
from experiments.runs.names import labels
from experiments.runs.tables import counted, number, numbers
from experiments.runs.threads import Threads, check_threads, computing

if TYPE_CHECKING:
    from experiments.prediction.scoring import Evaluation


@dataclass(kw_only=True)
class Options:
    """Options of ``ssr-nas evaluate``.

    Args:
        checkpoint: the trained network: a run folder of ``ssr-nas retrain`` or of a discrete search, its
            model.safetensors, or one that comes with the package: camvid_paper_360x480 or camvid_360x480.
        split: train, val, or test where the data set has one.
        data: ``as-trained`` is the data set that the network was trained on, found in its run's config.yml. Labels and
            images are read at their own size; only street scenes are generated at data.size.
        eval: how the network is applied.
        device: auto, cpu or cuda.
        threads: of torch on the CPU; as many as are fastest, measured now and then, if absent.
        out: a JSON file for the scores; confusion matrix and IoU of each class are drawn beside it, as .png.
    """

    checkpoint: str
    split: str = "val"
    data: DataOptions = field(default_factory=as_trained)
    eval: EvalOptions = field(default_factory=EvalOptions)
    device: str = "auto"
    threads: int | None = None
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Print the scores, write them where ``out`` is given; return them, in [0, 1], with all that decided them."""
    check_threads(options.threads)
    measured = resolve_device(options.device) == "cpu"
    with new_file(options.out) as out, computing(options.threads, measured, quiet=True) as threads:
        return _run(options, out, threads)


def _run(options: Options, out: Path | None, threads: Threads) -> dict[str, Any]:
    from experiments.prediction.scoring import score
    from experiments.prediction.segmenter import load_segmenter
    from experiments.runs.environment import device_name, versions

    segmenter, info = load_segmenter(options.checkpoint, options.eval, options.device, threads)
    source, samples = find_split(options.checkpoint, info, options.data, options.split)
    start = time.perf_counter()
    evaluation = score(segmenter, samples, len(info.classes))
    views = segmenter.views
    result = {
        **evaluation.summary(info.classes),
        "checkpoint": options.checkpoint,
        "dataset": source.name,
        "split": options.split,
        "size": "{}x{}".format(*views.size),
        "scales": list(views.scales),
        "flip": views.flip,
        "precision": "32",
        "device": device_name(segmenter.device),
        "versions": versions(),
        "seconds": time.perf_counter() - start,
    }
    if out is not None:
        write_json(out, result, new=True)
    print(_format_table(result, str(views)))
    if out is not None:
        print(f"scores  {out}")
        _draw(out.with_suffix(".png"), evaluation, info.classes)
    return result


def _draw(file: Path, evaluation: "Evaluation", classes: Sequence[str]) -> None:
    """The figure beside the scores; a file that is there already stays."""
    with decoration(f"the figure {file}"):
        from experiments.report.confusion import scores_figure
        from experiments.report.figures import png

        write_atomic(file, png(scores_figure(evaluation.confusion.numpy(), classes)), new=True)
        print(f"figure  {file}")


def _format_table(result: dict[str, Any], views: str) -> str:
    columns = ("per_class", "per_class_accuracy", "per_class_boundary_f1")
    means = [result[key] for key in ("miou", "mean_class_accuracy", "boundary_f1")]
    names = [*labels(list(result["per_class"]), lambda text: len(text) <= 60), "mean"]
    shares = [[*result[column].values(), mean] for column, mean in zip(columns, means, strict=True)]
    texts = [numbers([100 * share for share in column], 1) for column in shares]
    width = max(map(len, names))
    tolerance = f"outlines within {100 * result['boundary_tolerance']:g} % of the diagonal"
    lines = (
        f"{result['dataset']} {result['split']}: {counted(result['images'], 'image')}, "
        f"scored at {result['resolution']}, network at {views}",
        "",
        f"  {'':<{width}}  {'IoU %':>6}  {'accuracy %':>10}  {'boundary F1 %':>13}",
        *(
            f"  {name:<{width}}  {iou:>6}  {accuracy:>10}  {outline:>13}"
            for name, iou, accuracy, outline in zip(names, *texts, strict=True)
        ),
        "",
        f"mIoU {_percent(result['miou'])} %, pixel accuracy {_percent(result['pixel_accuracy'])} %, "
        f"boundary F1 {_percent(result['boundary_f1'])} % ({tolerance})",
        f"{result['device']}, {result['seconds']:.1f} s",
    )
    return "\n".join(lines)


def _percent(share: float) -> str:
    return number(100 * share, 1)
