"""A trained network on disk: ``model.safetensors``, which says in its header what it is, beside ``architecture.json``."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from experiments.config import parse_size
from experiments.runs import write_atomic
from nas_space.architecture import Architecture
from nas_space.errors import InputError
from nas_space.network import Head, SegmentationNetwork

WEIGHTS, ARCHITECTURE = "model.safetensors", "architecture.json"
HEADER, FORMAT = "ssr-nas", "ssr-nas model 1"


@dataclass(frozen=True)
class ModelInfo:
    """What one must know of a trained network besides its weights.

    Args:
        architecture: its layers.
        head: ``encoder`` (logits at 1/8) or ``aggregation`` (at 1/4).
        classes: class names, one a channel of the logits.
        colours: RGB colour of each class.
        size: height and width of the images that it was trained on, in pixels.
        dataset: what it was trained on.
    """

    architecture: Architecture
    head: Head
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    size: tuple[int, int]
    dataset: str

    def metadata(self) -> dict[str, str]:
        """The header of a safetensors file: one entry, since the library writes several in an order of their own each time."""
        content = {
            "format": FORMAT,
            "architecture": json.loads(self.architecture.to_json()),
            "head": self.head,
            "classes": self.classes,
            "colours": self.colours,
            "size": "{}x{}".format(*self.size),
            "dataset": self.dataset,
        }
        return {HEADER: json.dumps(content)}


def save_model(folder: Path, network: SegmentationNetwork, info: ModelInfo) -> None:
    """Write both files into ``folder``, atomically."""
    write_atomic(folder / ARCHITECTURE, info.architecture.to_json())
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_atomic(folder / WEIGHTS, save(weights, info.metadata()))


def load_model(checkpoint: str | Path) -> tuple[SegmentationNetwork, ModelInfo]:
    """Read a trained network without unpickling anything.

    Args:
        checkpoint: ``model.safetensors``, or the folder that holds it.

    Returns:
        The network on the CPU in ``eval`` mode, and what it is.

    Raises:
        InputError: the file is missing, damaged, or holds no network of this toolkit.
    """
    path = Path(checkpoint)
    path = path / WEIGHTS if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the {WEIGHTS} of a retraining, or its folder")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a safetensors file, or damaged ({type(error).__name__}); give a {WEIGHTS} of this toolkit") from None
    info = _read_info(path, metadata)
    network = SegmentationNetwork(info.architecture, len(info.classes), info.head)
    expected = network.state_dict()
    wrong = next((name for name in {**expected, **weights} if _differ(expected.get(name), weights.get(name))), None)
    if wrong is not None:
        raise InputError(f"{path}: {wrong} does not fit the architecture in its header; train the network again")
    network.load_state_dict(weights)
    return network.eval(), info


def _differ(expected: torch.Tensor | None, found: torch.Tensor | None) -> bool:
    return expected is None or found is None or expected.shape != found.shape or expected.dtype != found.dtype


def _read_info(path: Path, metadata: dict[str, str]) -> ModelInfo:
    try:
        content = json.loads(metadata.get(HEADER, "{}"))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"{path}: not a model of this toolkit; train one with ssr-nas retrain")
        head, dataset = content["head"], str(content["dataset"])
        classes = tuple(str(name) for name in content["classes"])
        colours = tuple((int(r), int(g), int(b)) for r, g, b in content["colours"])
        if head not in ("encoder", "aggregation") or not classes or len(colours) != len(classes):
            raise ValueError("head, classes or colours")
        size = parse_size(content["size"])
        architecture = Architecture.from_json(json.dumps(content["architecture"]))
        return ModelInfo(architecture, head, classes, colours, size, dataset)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: its header is damaged: {error}") from None
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: its header is damaged ({type(error).__name__}: {error}); train the network again") from None
