"""Networks by name: a file or a run of this toolkit, a reference network, a peer, or anybody's ONNX file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import torch
from torch import nn

from experiments.model_file import ARCHITECTURE, WEIGHTS, load_model
from experiments.peers import PEERS, create_peer
from nas_space.architecture import Architecture, resolve_architecture
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork

REFERENCES = ("baseline1", "baseline2")


@dataclass
class Baselines:
    """Where the reference networks come from.

    Args:
        preset: space of baseline1 and baseline2: compact or paper; absent, that of the measured architecture, or paper.
    """

    preset: str | None = None


@dataclass(frozen=True)
class Network:
    """A network to be measured.

    Args:
        name: what the user calls it.
        classes: channels of its logits; None for an ONNX file.
        build: makes it as a module in ``eval`` mode; None for an ONNX file.
        onnx: its ONNX file, if it is one.
        architecture: its layers, if it is of a space of this toolkit with the encoder head.
        trained: whether its weights are trained ones.
    """

    name: str
    classes: int | None = None
    build: Callable[[], nn.Module] | None = None
    onnx: Path | None = None
    architecture: Architecture | None = None
    trained: bool = False


def find_networks(names: Sequence[str], preset: str | None, classes: int) -> list[Network]:
    """The networks called ``names``.

    Args:
        names: each ``baseline1``, ``baseline2``, one of ``PEERS``, an architecture file, a ``model.safetensors``, a run folder that holds
            one of them, or an ONNX file.
        preset: the space of the baselines; absent, that of the first network that has one, and ``paper`` where none has.
        classes: channels of the logits of networks without trained weights.

    Raises:
        InputError: a network that does not exist, a damaged file, an unknown preset.
    """
    if classes < 1:
        raise InputError(f"classes: {classes} must be at least 1")
    found = {name: _find(name, classes) for name in names if name not in REFERENCES}
    spaces = (network.architecture.space for network in found.values() if network.architecture is not None)
    space = SpaceConfig.preset(preset) if preset is not None else next(spaces, SpaceConfig.paper())
    return [found[name] if name in found else _of_space(name, resolve_architecture(name, space), classes) for name in names]


def described_baselines(networks: Sequence[Network]) -> str:
    """Which space the reference networks among ``networks`` are of, in words; empty where there are none."""
    spaces = [network.architecture.space for network in networks if network.name in REFERENCES and network.architecture is not None]
    if not spaces:
        return ""
    presets = (name for name in ("compact", "paper") if SpaceConfig.preset(name, search=spaces[0].search) == spaces[0])
    widths = " and ".join(map(str, spaces[0].widths))
    return f"baselines of the {next(presets, 'measured')} space, {widths} channels"


def _find(name: str, classes: int) -> Network:
    if name in PEERS:
        return Network(name, classes, partial(_random, create_peer, name, classes))
    path = Path(name)
    if path.is_dir():
        inside = next((path / file for file in (WEIGHTS, ARCHITECTURE) if (path / file).is_file()), None)
        if inside is None:
            raise InputError(f"{name}: holds neither {WEIGHTS} nor {ARCHITECTURE}; give the folder of a search or a retraining")
        path = inside
    elif not path.exists():
        known = (*REFERENCES, *PEERS)
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"give a file, a run folder, or one of {', '.join(known)}"
        raise InputError(f"{name}: no such network; {hint}")
    if path.suffix == ".onnx":
        return Network(name, onnx=path)
    if path.suffix == ".safetensors":
        network, info = load_model(path)
        architecture = info.architecture if info.head == "encoder" else None
        return Network(name, len(info.classes), lambda: network, architecture=architecture, trained=True)
    return _of_space(name, Architecture.load(path), classes)


def _of_space(name: str, architecture: Architecture, classes: int) -> Network:
    return Network(name, classes, partial(_random, SegmentationNetwork, architecture, classes), architecture=architecture)


def _random(build: Callable[..., nn.Module], *arguments: object) -> nn.Module:
    """A module with the same random weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(*arguments).eval()
