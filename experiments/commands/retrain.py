"""Train a network from scratch: a found architecture, baseline1 or baseline2."""

from dataclasses import dataclass, field, replace
from typing import Any

from experiments.config import SpaceOptions, part_of
from experiments.data import load
from experiments.retrain import RetrainOptions, retrain
from experiments.runs import new_run, write_config
from nas_space.architecture import resolve_architecture


@dataclass(kw_only=True)
class Options(RetrainOptions):
    """Options of ``ssr-nas retrain``.

    Args:
        arch: the network: an architecture.json, baseline1 or baseline2.
        space: where baseline1 and baseline2 come from.
        out: the run's folder; ``runs/retrain-<date>-<time>`` if absent.
    """

    arch: str
    space: SpaceOptions = field(default_factory=SpaceOptions)
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Train, write the run's files, print the scores.

    Returns:
        The content of ``retrain.json`` and the run's folder.
    """
    architecture = resolve_architecture(options.arch, options.space.resolve())
    options.check()
    data = load(options.data)
    with new_run(options.out, "retrain", "retrain") as folder:
        write_config(folder, replace(options, out=str(folder)))
        summary = retrain(architecture, part_of(RetrainOptions, options), data, folder)
    width = max(map(len, summary["per_class"]))
    print("\n".join(f"  {name:<{width}}  {100 * iou:>5.1f}" for name, iou in summary["per_class"].items()))
    print(f"mIoU {100 * summary['miou']:.1f} % on the validation split, labels at {summary['resolution']}, after {options.epochs} epochs")
    print(f"run folder  {folder}  (model.safetensors, architecture.json, retrain.json, metrics.csv)")
    return {**summary, "run": str(folder)}
