"""Train a network from scratch: found, hand-made or a peer.

A network is an architecture that a search has found, baseline1, baseline2, or a peer.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.options.arguments import parse
from experiments.options.groups import SpaceOptions, parse_size, part_of
from experiments.runs.columns import IOU, cells
from experiments.runs.decoration import decoration
from experiments.runs.files import write_atomic
from experiments.runs.folder import CONFIG, new_run, old_run, read_summary, resumed, write_config
from experiments.runs.names import labels
from experiments.runs.shipped import find_architecture
from experiments.runs.tables import counted, duration, number
from experiments.runs.wording import look_command
from experiments.training.recipe import RetrainOptions
from nas_space.architecture import Architecture, resolve_architecture
from nas_space.errors import InputError
from nas_space.memory import TRAINED, check_network
from nas_space.scaling import parse_scaled

if TYPE_CHECKING:
    from experiments.model_file import ModelInfo
    from experiments.training.initial import InitialWeights

NETWORK = "network.json"
"""The architecture that a run began with, kept for a resume: the file that it was read from may change or go."""


@dataclass(kw_only=True)
class Options(RetrainOptions):
    """Options of ``ssr-nas retrain``.

    Args:
        arch: the network: an architecture.json, baseline1, baseline2, or one of these scaled to a bound, such as
            baseline2@20ms, baseline2@2.6G (MACs), baseline2@0.5M (parameters) or baseline2@RUN (no slower than the
            network of that run), at data.size.
        peer: somebody else's network instead: erfnet or lraspp_mobilenet_v3_large, with random weights.
        space: where baseline1 and baseline2 come from.
        init: begin with the weights of this run (a search or a retraining) or model.safetensors, as far as they fit: by
            name and shape, the leading channels where widths differ; a head of other classes begins anew.
        out: the run's folder; ``runs/retrain-<date>-<time>`` if absent.
        resume: continue the run in this folder; all other options come from its config.yml.
    """

    arch: str | None = None
    peer: str | None = None
    space: SpaceOptions = field(default_factory=SpaceOptions)
    init: str | None = None
    out: str | None = None
    resume: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Train, write the run's files, print the scores; return the content of ``retrain.json`` and the run's folder."""
    from experiments.data import load
    from experiments.training.initial import InitialWeights
    from experiments.training.retrain import check_data

    before = resumed("retrain", options)
    if before is not None:
        with old_run(before, "retrain", (before / "retrain.json").is_file()):
            return _resume(before)
    architecture = resolve_network(options)
    options.check()
    init = None if options.init is None else InitialWeights.load(options.init)
    data = load(options.data)
    architecture = architecture or resolve_network(options, len(data.classes))
    check_data(options, data, architecture, options.peer, init=init)
    with new_run(options.out, "retrain", "retrain") as folder:
        print(f"run folder  {folder}", flush=True)
        write_config(folder, replace(options, out=str(folder)))
        if architecture is not None:
            write_atomic(folder / NETWORK, architecture.to_json())
        if init is not None:
            init.keep(folder)
        return _execute(options, folder, data, architecture, init)


def resolve_network(options: Options, classes: int | None = None) -> Architecture | None:
    """The architecture that is asked for, or None where it is a peer.

    Args:
        options: of the command.
        classes: of the data set; absent, a network with a bound, whose size depends on them, is None as well.

    Raises:
        InputError: none or both are given, one that does not exist, or one whose training does not fit into memory.
    """
    from experiments.peers import PEERS

    if (options.arch is None) == (options.peer is None):
        raise InputError("give one network: --arch FILE (or baseline1, baseline2), or --peer NAME")
    if options.peer is not None and options.peer not in PEERS:
        raise InputError(f"peer: unknown {options.peer!r}; choose from {', '.join(PEERS)}")
    if options.arch is None:
        return None
    if options.arch in PEERS and not Path(options.arch).exists():
        raise InputError(f"arch: {options.arch} is a peer, no network of this toolkit; give --peer {options.arch}")
    space = options.space.resolve()
    if parse_scaled(options.arch) is None:
        architecture = resolve_architecture(find_architecture(options.arch), space)
    elif classes is None:
        return None
    else:
        from experiments.benchmark.networks.scaled import Scaler

        architecture = Scaler(parse_size(options.data.size))(options.arch, space, classes)
    check_network(options.arch, architecture, num_classes=1, copies=TRAINED)
    return architecture


def _resume(folder: Path) -> dict[str, Any]:
    from experiments.data import load
    from experiments.training.initial import COPY, InitialWeights
    from experiments.training.retrain import check_data

    options, _ = parse("ssr-nas retrain", "", Options, [f"--config={folder / CONFIG}"])
    options.check()
    if (folder / "retrain.json").is_file():
        summary = _complete_summary(folder)
        print(f"{folder}: this training is complete, nothing to do")
        return {**summary, "run": str(folder)}
    file = folder / NETWORK  # absent: killed just before it was written
    architecture = resolve_network(replace(options, arch=str(file)) if options.arch and file.is_file() else options)
    checkpoint = folder / "checkpoints" / "last.ckpt"
    data = load(options.data)
    architecture = architecture or resolve_network(options, len(data.classes))
    init, copy = None, folder / COPY  # the copy is absent: killed just before it was written
    if options.init is not None:
        init = InitialWeights.load(copy if copy.is_file() else options.init, options.init)
    check_data(options, data, architecture, options.peer, goes_on=True, init=init)
    if init is not None and not copy.is_file():
        init.keep(folder)
    return _execute(options, folder, data, architecture, init, checkpoint if checkpoint.exists() else None)


def _complete_summary(folder: Path) -> dict[str, Any]:
    """The summary of a complete run, once its network has been found to be whole."""
    from experiments.model_file import WEIGHTS, load_model

    summary = read_summary(folder / "retrain.json")
    try:
        load_model(folder)
    except InputError:
        again = f"remove {folder / 'retrain.json'}, and --resume writes both again from the last checkpoint"
        raise InputError(f"{folder / WEIGHTS}: gone or damaged; {again}") from None
    return summary


def _execute(
    options: Options,
    folder: Path,
    data: Any,
    architecture: Architecture | None,
    init: "InitialWeights | None",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    from experiments.report.gallery import prediction_sheet
    from experiments.training.retrain import Retraining

    draw = partial(prediction_sheet, split=data.val, colours=data.colours)
    training = Retraining(part_of(RetrainOptions, options), data, folder, architecture, options.peer, init, draw)
    if training.taken_over is not None:
        told = ", ".join(f"{count} {kind}" for kind, count in training.taken_over.items())
        print(f"init        {options.init}: tensors {told}", flush=True)
    summary = training.execute(checkpoint)
    speed = _speed(training.info, folder, options.threads)
    with decoration(f"the report {folder / 'report.html'}"):
        from experiments.report.retrain_page import write_retrain_report

        write_retrain_report(folder)
    names, best = labels(list(summary["per_class"]), lambda text: len(text) <= 60), summary["best"]
    scores, width = cells(IOU, list(summary["per_class"].values())), max(map(len, ("class", *names)))
    rows = [("class", IOU.name), *zip(names, scores, strict=True)]
    print("\n".join(f"  {name:<{width}}  {score:>5}" for name, score in rows))
    print(
        f"mIoU {number(100 * summary['miou'], 1)} % on {counted(len(data.val), 'validation image')}, "
        f"labels at {summary['resolution']}, "
        f"after {counted(summary['epochs'], 'epoch')} in {duration(60 * summary['minutes'])} "
        f"(best validation: {number(100 * best['miou'], 1)} % at the same size after {best['epoch']}, in best/)"
    )
    for i, line in enumerate(speed):
        print(f"{'latency' if i == 0 else '':<12}{line}")
    print(f"run folder  {folder}  (report.html, model.safetensors, architecture.json, retrain.json, metrics.csv)")
    print(f"next        {look_command(folder, data.name)}")
    return {**summary, "run": str(folder)}


def _speed(info: "ModelInfo", folder: Path, threads: int | None) -> list[str]:
    """How fast the network is, in lines and as ``speed.json``; nothing for a peer, or where that could not be told."""
    lines: list[str] = []
    if info.architecture is not None:
        with decoration("the latency of the network"):
            from experiments.latency.closing import describe_speed, measured, write_speed

            speed = measured(info.architecture, info.size, len(info.classes), info.head, threads)
            lines = describe_speed(speed)
            write_speed(folder, speed)
    return lines
