"""Networks by name: a file or a run of this toolkit, a reference network, a peer, or anybody's ONNX file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import torch
from torch import nn

from experiments.model_file import ARCHITECTURE, WEIGHTS, load_model
from experiments.peers import PEERS, create_peer
from experiments.runs.shipped import find_network, shipped_networks
from nas_space.architecture import Architecture, resolve_architecture
from nas_space.config import Head, SpaceConfig
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork
from nas_space.scaling import REFERENCES, parse_scaled

CLASSES = 19
Resolve = Callable[[str, SpaceConfig, int, Head | None], Architecture]


@dataclass(frozen=True)
class Network:
    """A network to be measured.

    Args:
        name: what the user calls it.
        classes: channels of its logits; None for an ONNX file.
        build: makes it as a module in ``eval`` mode; None for an ONNX file.
        onnx: its ONNX file, if it is one.
        architecture: its layers, if it is of a space of this toolkit.
        head: of such a network; None for that of a search.
        trained: whether its weights are trained ones.
    """

    name: str
    classes: int | None = None
    build: Callable[[], nn.Module] | None = None
    onnx: Path | None = None
    architecture: Architecture | None = None
    head: Head | None = None
    trained: bool = False


def find_networks(
    names: Sequence[str],
    preset: str | None,
    classes: int | None,
    resolve: Resolve | None = None,
    head: str | None = None,
) -> list[Network]:
    """The networks called ``names``.

    A reference network has the space and the head of the first network that has one, so that what is compared differs
    in its layers alone.

    Args:
        names: each ``baseline1``, ``baseline2``, one of these with a bound, one of ``PEERS``, an architecture file, a
            ``model.safetensors``, a run folder that holds one of them, or an ONNX file.
        preset: the space of the baselines; absent, that of the first network that has one, or ``paper``.
        classes: channels of the logits of networks without trained weights; absent, those of the first trained, or 19.
        resolve: makes a reference network, also one with a bound (``baseline2@20ms``), from its name, the space, the
            classes and the head: a ``Scaler``; absent, there are none with a bound.
        head: of networks of this toolkit without trained weights; absent, that of a search for a file, and for a
            reference network that of the first file. Of weights with a search's head, another head takes none.

    Raises:
        InputError: a network that does not exist, a damaged file, an unknown preset, a bound that is none, a head that
            a network does not have.
    """
    if classes is not None and classes < 1:
        raise InputError(f"classes: {classes} must be at least 1")
    files = {name: _read(name) for name in names if name not in PEERS and not is_reference(name)}
    if classes is None:
        classes = next((network.classes for network in files.values() if network.trained and network.classes), CLASSES)
    first = next((network for network in files.values() if network.architecture is not None), Network(""))
    space = SpaceConfig.paper() if first.architecture is None else first.architecture.space
    space = space if preset is None else SpaceConfig.preset(preset)

    def find(name: str) -> Network:
        if name in PEERS:
            return Network(name, classes, partial(_random, create_peer, name, classes))
        if is_reference(name):
            own = first.head if head is None else space.head_named(head)
            if resolve is None:
                architecture = resolve_architecture(name, space)
            else:
                architecture = resolve(name, space, classes, own)
            return random_weights(Network(name, architecture=architecture, head=own), classes)
        found = files[name]
        if found.architecture is None:
            return found
        own = None if head is None else found.architecture.space.head_named(head)
        if found.trained and (found.head is not None or own in (None, found.architecture.space.heads[0])):
            return found
        return random_weights(replace(found, head=own, trained=False), classes)

    return [find(name) for name in names]


def is_reference(name: str) -> bool:
    """Whether ``name`` is that of a reference network, with or without a bound.

    Raises:
        InputError: a bound that is none.
    """
    return name in REFERENCES or parse_scaled(name) is not None


def describe_baselines(networks: Sequence[Network]) -> str:
    """Which space the reference networks among ``networks`` are of, in words; empty where there are none."""
    first = next((network for network in networks if network.name in REFERENCES), None)
    if first is None or first.architecture is None:
        return ""
    space = first.architecture.space
    block = ", with the aggregation block" if first.head == "aggregation" else ""
    *others, last = map(str, space.widths)
    channels = f"{', '.join(others)} and {last} channels"
    return f"baselines of the {space.preset_name or 'measured'} space, {channels}{block}"


def _read(name: str) -> Network:
    """A network in a file or of the package; one without trained weights has neither classes nor ``build`` yet."""
    path = find_network(name)
    if path.is_dir():
        inside = next((path / file for file in (WEIGHTS, ARCHITECTURE) if (path / file).is_file()), None)
        if inside is None:
            hint = "give the folder of a search or a retraining"
            raise InputError(f"{name}: holds neither {WEIGHTS} nor {ARCHITECTURE}; {hint}")
        path = inside
    elif not path.exists():
        known = (*REFERENCES, *PEERS, *shipped_networks())
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"give a file, a run folder, or one of {', '.join(known)}"
        raise InputError(f"{name}: no such network; {hint}")
    if path.suffix == ".onnx":
        return Network(name, onnx=path)
    if path.suffix == ".safetensors":
        network, info = load_model(path)
        head: Head | None = "aggregation" if info.head == "aggregation" else None
        classes = len(info.classes)
        return Network(name, classes, lambda: network, architecture=info.architecture, head=head, trained=True)
    return Network(name, architecture=Architecture.load(path))


def random_weights(network: Network, classes: int) -> Network:
    """The network of an architecture, with random weights that are the same each time."""
    build = partial(_random, SegmentationNetwork, network.architecture, classes, network.head)
    return replace(network, classes=classes, build=build)


def _random(build: Callable[..., nn.Module], *arguments: object) -> nn.Module:
    """A module with the same random weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(*arguments).eval()
