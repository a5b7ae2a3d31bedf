"""Draw segmentations and feature maps side by side.

segmentations.png shows images, ground truth and the classes that each network gives; features.png the mean absolute
activations at the end of the searched stages, each map from its least to its largest value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.options.groups import DataOptions
from experiments.options.leaves import WHOLE
from experiments.prediction.options import EvalOptions
from experiments.prediction.trained_on import as_trained, find_split, trained_as
from experiments.runs.files import write_atomic
from experiments.runs.folder import new_run
from nas_space.errors import InputError

if TYPE_CHECKING:
    from experiments.model_file import ModelInfo


@dataclass(kw_only=True)
class Options:
    """Options of ``ssr-nas figures``.

    Args:
        checkpoint: the trained network: a run folder of ``ssr-nas retrain`` or of a discrete search, its
            model.safetensors, or one that comes with the package: camvid_paper_360x480 or camvid_360x480.
        against: other trained networks to stand before it, such as that of baseline1.
        split: train, val, or test where the data set has one.
        count: how many images, evenly spread over the split.
        data: ``as-trained`` is the data set that the network was trained on.
        eval: how the networks are applied.
        device: auto, cpu or cuda.
        out: a new or empty folder for the figures; ``runs/figures-<date>-<time>`` if absent.
    """

    checkpoint: str
    against: list[str] = field(default_factory=list, metadata=WHOLE)
    split: str = "val"
    count: int = 4
    data: DataOptions = field(default_factory=as_trained)
    eval: EvalOptions = field(default_factory=EvalOptions)
    device: str = "auto"
    out: str | None = None


def run(options: Options) -> dict[str, Any]:
    """Draw both figures; return the files and the names of the images."""
    if options.count < 1:
        raise InputError(f"count: {options.count} must be at least 1")
    import torch

    from experiments.data.source import evenly
    from experiments.prediction.segmenter import load_segmenter, to_input
    from experiments.report.feature_maps import feature_maps
    from experiments.report.figures import png
    from experiments.report.gallery import colour_map, side_by_side
    from nas_space.network import SegmentationNetwork

    checkpoints = [*options.against, options.checkpoint]
    loaded = [load_segmenter(checkpoint, options.eval, options.device) for checkpoint in checkpoints]
    info = loaded[-1][1]
    for checkpoint, (_, other) in zip(options.against, loaded, strict=False):
        if other.classes != info.classes:
            raise InputError(f"--against {checkpoint}: its classes are not those of {options.checkpoint}")
    _, samples = find_split(options.checkpoint, info, options.data, options.split)
    chosen = evenly(samples, options.count)
    names = _names(checkpoints, [info for _, info in loaded])
    networks = {name: segmenter for name, (segmenter, _) in zip(names, loaded, strict=True)}
    staged = {name: one for name, one in networks.items() if isinstance(one.network, SegmentationNetwork)}
    with new_run(options.out, "figures", "figures") as folder:
        segmentations, features = [], []
        for sample in chosen:
            image, label = sample.read()
            size = label.shape[0], label.shape[1]
            truth = colour_map(torch.from_numpy(label), info.colours)
            predictions = [segmenter(image, size) for segmenter in networks.values()]
            coloured = [colour_map(torch.from_numpy(classes), info.colours) for classes in predictions]
            segmentations.append([image, truth, *coloured])
            inputs = {name: to_input(image, one.views.size).to(one.device) for name, one in staged.items()}
            maps = {name: feature_maps(one.network, inputs[name]) for name, one in staged.items()}
            features.append([image, truth, *(part.numpy() for parts in maps.values() for part in parts)])
        files = [folder / "segmentations.png"]
        titles = ["image", "ground truth", *networks]
        write_atomic(files[0], png(side_by_side(segmentations, titles, info.classes, info.colours)))
        if staged:
            files.append(folder / "features.png")
            titles = ["image", "ground truth", *(name for name, parts in maps.items() for _ in parts)]
            stages = ["", "", *(f"at 1/{2 ** (i + 2)}" for parts in maps.values() for i in range(len(parts)))]
            write_atomic(files[1], png(side_by_side(features, titles, second_lines=stages)))
    left_out = [name for name in networks if name not in staged]
    if left_out:
        print(f"{', '.join(left_out)}: no searched stages, so no feature maps")
    print("\n".join(f"figure  {file}" for file in files))
    if staged:
        print("features.png: how strongly each stage responds; bright is strong, each picture by itself")
    return {"files": [str(file) for file in files], "images": [sample.name for sample in chosen], "out": str(folder)}


def _names(checkpoints: Sequence[str], infos: "Sequence[ModelInfo]") -> list[str]:
    """``found``, ``baseline1`` or the like for each network; where one is there twice, the name of its run as well."""
    from experiments.report.beside_baseline import name_of

    arches = [trained_as(checkpoint) for checkpoint in checkpoints]
    kinds = [name_of(info.architecture, info.peer, arch) for info, arch in zip(infos, arches, strict=True)]
    names: list[str] = []
    for checkpoint, kind in zip(checkpoints, kinds, strict=True):
        path = Path(checkpoint).absolute()
        run = path.parent.name if path.name == "model.safetensors" else path.stem if path.is_file() else path.name
        name = kind if kinds.count(kind) == 1 else f"{kind} {run}"
        same = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({same + 1})" if same else name)
    return names
