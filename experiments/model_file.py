"""A trained network on disk: ``model.safetensors``, whose header describes the network, and ``architecture.json``."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from experiments.options.groups import parse_bits, parse_classes, parse_size
from experiments.peers import PEERS, create_peer
from experiments.runs import shipped
from experiments.runs.files import write_atomic
from nas_space.architecture import Architecture
from nas_space.config import Head
from nas_space.cost import cost
from nas_space.denormals import drop_denormals
from nas_space.errors import InputError
from nas_space.memory import free_memory
from nas_space.network import SegmentationNetwork

WEIGHTS, ARCHITECTURE = shipped.WEIGHTS, shipped.ARCHITECTURE
SEARCHED = "search.json"
HEADER, FORMAT = "ssr-nas", "ssr-nas model 1"


@dataclass(frozen=True)
class ModelInfo:
    """What describes a trained network besides its weights.

    Args:
        architecture: its layers; None for a peer.
        head: one of the architecture's: ``encoder`` or ``fusion`` (logits at 1/8), ``aggregation`` (at 1/4); None for a
            peer.
        classes: class names, one a channel of the logits.
        colours: RGB colour of each class.
        size: height and width of the images that it was trained on, in pixels.
        dataset: what it was trained on.
        peer: the name of somebody else's network, one of ``experiments.peers.PEERS``, instead of architecture and head.
        image_bits: bits of a sample in image files of 16 bits, where they were given for training.
    """

    architecture: Architecture | None
    head: Head | None
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    size: tuple[int, int]
    dataset: str
    peer: str | None = None
    image_bits: int | None = None

    def build(self) -> nn.Module:
        """The network with random weights: images ``(N, 3, H, W)`` -> logits at a resolution of its own.

        Raises:
            InputError: an unknown peer.
        """
        if self.architecture is None or self.head is None:
            return create_peer(str(self.peer), len(self.classes))
        return SegmentationNetwork(self.architecture, len(self.classes), self.head)

    def metadata(self) -> dict[str, str]:
        """The header of a safetensors file, in one entry: the order of several would differ from file to file."""
        content = {
            "format": FORMAT,
            "architecture": None if self.architecture is None else json.loads(self.architecture.to_json()),
            "head": self.head,
            "peer": self.peer,
            "classes": self.classes,
            "colours": self.colours,
            "size": "{}x{}".format(*self.size),
            "dataset": self.dataset,
            **({} if self.image_bits is None else {"image_bits": self.image_bits}),
        }
        return {HEADER: json.dumps(content)}


def save_model(folder: Path, network: nn.Module, info: ModelInfo) -> None:
    """Write both files into ``folder``, each whole; a peer has no architecture and so one file."""
    if info.architecture is not None:
        write_atomic(folder / ARCHITECTURE, info.architecture.to_json())
    save_weights(folder / WEIGHTS, network, info)


def save_weights(path: Path, network: nn.Module, info: ModelInfo) -> None:
    """Write a safetensors file that ``load_model`` reads, whole or not at all."""
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_atomic(path, save(weights, info.metadata()))


def load_model(checkpoint: str | Path) -> tuple[nn.Module, ModelInfo]:
    """Read a trained network without unpickling anything.

    Args:
        checkpoint: ``model.safetensors``, the folder that holds it, or the name of a network of the package.

    Returns:
        The network on the CPU in ``eval`` mode, without denormal weights, and what it is.

    Raises:
        InputError: the file is missing, damaged, larger than the free memory, or holds no network of this toolkit.
    """
    path = shipped.find_network(checkpoint)
    path = path / WEIGHTS if path.is_dir() else path
    if path.suffix in (".onnx", ".xml") and path.is_file():
        raise InputError(
            f"{path}: an exported file; give the {WEIGHTS} that it was made of, or use experiments.Segmenter"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file; {_instead(path)}")
    try:
        with safe_open(path, framework="pt") as file:
            info = _read_info(path, file.metadata() or {})
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # no mapping
            _check_size(path, info, shapes)
            weights = {name: file.get_tensor(name) for name in shapes}
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        reason = f"not a safetensors file, or damaged ({type(error).__name__})"
        raise InputError(f"{path}: {reason}; give a {WEIGHTS} of this toolkit") from None
    with torch.device("meta"):
        expected = info.build().state_dict()
    wrong = next((name for name, tensor in expected.items() if tensor.dtype != weights[name].dtype), None)
    if wrong is not None:
        raise _misfit(path, wrong)
    network = info.build()
    network.load_state_dict(weights)
    return drop_denormals(network).eval(), info


def _instead(path: Path) -> str:
    """What to do about weights that are not there; a search that was cut has none."""
    if path.name == WEIGHTS and _was_cut(path.parent / SEARCHED):
        return (
            "this search did not end discrete, so it left none; its report.html has the command that trains its network"
        )
    ours = " or ".join(shipped.shipped_networks())
    return f"give the {WEIGHTS} of a retraining or of a discrete search, or its folder; or {ours}"


def _was_cut(summary: Path) -> bool:
    """Whether it is the summary of a search that says that there are no weights."""
    try:
        content = json.loads(summary.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("weights", "") is None


def _check_size(path: Path, info: ModelInfo, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare what the file's header claims with its architecture and with the free memory, before any is taken."""
    weights = sum(math.prod(shape) for shape in shapes.values())
    if info.architecture is not None:  # in closed form: a header of a few bytes may describe thousands of layers
        described = int(cost(info.architecture, info.size, len(info.classes), info.head).params)
        if described > weights:
            raise _misfit(path, f"its {weights:,} weights (of {described:,})")
    needed, free = 2 * 4 * weights, free_memory()  # those of the file, and those of the network
    if needed > free:
        sizes = f"{weights:,} weights take {needed / 1e9:,.1f} GB of memory, {free / 1e9:,.1f} GB are free"
        raise InputError(f"{path}: {sizes}; give a smaller network")
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in info.build().state_dict().items()}
    wrong = next((name for name in {**expected, **shapes} if expected.get(name) != shapes.get(name)), None)
    if wrong is not None:
        raise _misfit(path, wrong)


def _misfit(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what} does not fit the architecture in its header; train the network again")


def _read_info(path: Path, metadata: dict[str, str]) -> ModelInfo:
    try:
        content = json.loads(metadata.get(HEADER, "{}"))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"{path}: not a model of this toolkit; train one with ssr-nas retrain")
        head, dataset, peer = content["head"], str(content["dataset"]), content.get("peer")
        classes, colours = parse_classes(content["classes"], content["colours"])
        if peer is not None and peer not in PEERS:
            raise ValueError(f"peer {peer!r}")
        architecture = None if peer is not None else Architecture.from_json(json.dumps(content["architecture"]))
        if head not in ((None,) if architecture is None else architecture.space.heads):
            raise ValueError("head")
        bits = parse_bits(content.get("image_bits"))
        return ModelInfo(architecture, head, classes, colours, parse_size(content["size"]), dataset, peer, bits)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: its header is damaged: {error}") from None
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: its header is damaged ({reason}); train the network again") from None
