"""The final training of a network: the one place that says how it begins."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.data import load
from experiments.model_file import WEIGHTS
from experiments.options.arguments import parse
from experiments.runs.folder import CONFIG, read_summary, write_config
from experiments.training.initial import InitialWeights
from experiments.training.recipe import RetrainOptions
from experiments.training.retrain import Retraining, check_data
from nas_space.architecture import Architecture

SUMMARY = "retrain.json"
OnRow = Callable[[Mapping[str, Any]], None]


def is_trained(folder: Path) -> bool:
    """Whether a final training has come to its end."""
    return (folder / SUMMARY).is_file() and (folder / WEIGHTS).is_file()


def decide_once(folder: Path, decide: Callable[[], RetrainOptions]) -> RetrainOptions:
    """The options of a training that has begun, or else those that are decided now, which the folder then keeps."""
    if (folder / CONFIG).is_file():
        return parse("ssr-nas retrain", "", RetrainOptions, [f"--config={folder / CONFIG}"])[0]
    options = decide()
    write_config(folder, options)
    return options


def train_network(
    folder: Path,
    network: Architecture,
    decide: Callable[[], RetrainOptions],
    weights: Path | None,
    on_row: OnRow | None = None,
) -> dict[str, Any]:
    """Train to the end, from the folder's last checkpoint where it has one.

    Args:
        folder: of the run.
        network: what is trained.
        decide: the options of a training that has not begun yet.
        weights: file of the weights that it begins with, as far as they fit; absent, random ones.
        on_row: hears of every epoch.

    Returns:
        The content of ``retrain.json``.
    """
    if is_trained(folder):
        return read_summary(folder / SUMMARY)
    options = decide_once(folder, decide)
    data, init = load(options.data, remarks=False), None if weights is None else InitialWeights.load(weights)
    checkpoint = folder / "checkpoints" / "last.ckpt"
    check_data(options, data, network, goes_on=True, init=init)
    training = Retraining(options, data, folder, network, init=init, on_row=on_row)
    return training.execute(checkpoint if checkpoint.is_file() else None)
