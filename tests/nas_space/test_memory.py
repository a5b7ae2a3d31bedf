"""What does not fit into memory is refused before any is taken, with its number of parameters."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from nas_space.architecture import Architecture, Layer, baseline1
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.memory import (
    TRAINED,
    WEIGHT,
    check_network,
    check_supernet,
    free_memory,
    network_bytes,
    supernet_weights,
)
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace
from strategies.method import MethodOptions
from strategies.ssr import SSR

HUGE = SpaceConfig(16, (4092, 4096), ((4096,), (4096,)), (1,), (1,), 0, 1)


def test_the_weights_of_a_supernet_are_counted_in_closed_form(tiny: Callable[..., SpaceConfig]) -> None:
    for space in (tiny(), tiny(("dilation",)), tiny(())):
        supernet = SSR(MethodOptions()).mutate_model(JointSpace(space, 5))
        architecture = sum(p.numel() for p in supernet.architecture_parameters.parameters())
        assert sum(p.numel() for p in supernet.parameters()) - architecture == supernet_weights(space, 5)


def test_a_network_takes_its_weights_and_more(tiny: Callable[..., SpaceConfig]) -> None:
    architecture = baseline1(tiny())
    weights = sum(parameter.numel() for parameter in SegmentationNetwork(architecture, 5).parameters())
    once, trained = (network_bytes(architecture, 5, copies=copies) for copies in (1, TRAINED))
    assert once > weights * WEIGHT and trained - once == weights * WEIGHT * (TRAINED - 1)


def test_absurd_networks_are_refused_before_any_layer_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    architecture = baseline1(HUGE)
    monkeypatch.setattr(torch.nn, "Conv2d", lambda *_, **__: pytest.fail("took memory"))
    with pytest.raises(
        InputError, match=r"^a\.json: 823,\d{3},\d{3},\d{3} parameters take 3,\d{3}\.\d GB of memory, .* are free"
    ):
        check_network("a.json", architecture, 3)
    for make in (
        lambda: SegmentationNetwork(architecture, 3),
        lambda: JointSpace(HUGE, 3),
        lambda: check_supernet(HUGE, 3),
    ):
        with pytest.raises(InputError, match="parameters take"):
            make()


def test_many_candidates_of_few_weights_are_refused() -> None:
    """Modules and tables take memory too: 8 million operators, or a table of 4096 x 4096 widths."""
    with pytest.raises(InputError, match="candidates are too many"):
        SpaceConfig(4, (5, 6), ((1024,), (1024,)), tuple(range(1, 4097)), (1,), 0, 1)
    with pytest.raises(InputError, match="forms of a layer are too many"):
        SpaceConfig(4, (4090, 4096), ((64,), (64,)), tuple(range(1, 129)), (1,), 4089, 1)


def test_what_a_space_may_hold_may_still_be_too_much_for_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    space = SpaceConfig(4, (5, 6), ((128,), (128,)), tuple(range(1, 1025)), (1,), 0, 1)
    monkeypatch.setattr("nas_space.memory.free_memory", lambda: 2**30)
    with pytest.raises(InputError, match="super-network"):
        check_supernet(space, 3)


def test_on_the_meta_device_a_network_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_space.memory.free_memory", lambda: 0)
    with torch.device("meta"):
        SegmentationNetwork(baseline1(SpaceConfig.compact()), 3)
    with pytest.raises(InputError, match=r"0\.0 GB are free"):
        SegmentationNetwork(baseline1(SpaceConfig.compact()), 3)


def test_a_container_s_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10_000))
    assert free_memory(tmp_path) == 10_000
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 3\ninactive_file 100\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) == 10_000
    (tmp_path / "memory.max").write_text("1000\n")
    assert free_memory(tmp_path) == 400
    (tmp_path / "memory.max").write_text("100\n")
    assert free_memory(tmp_path) == 0


def test_the_size_of_an_absurd_space_is_told_without_its_digits() -> None:
    layers, operators, widths = 15 + 16, 64, 256
    sizes = SpaceConfig(4, (256, 257), ((15,), (16,)), tuple(range(1, 65)), (1,), 255, 1).sizes()
    assert sizes["choices"] == layers + 2 * layers * operators
    configurations = 2 * layers * operators * math.log10(widths)
    assert sizes["log10_supernet_configurations"] == pytest.approx(configurations)
    assert sizes["architecture_parameters"] == layers * operators + 2 * layers * operators * widths


def test_an_endless_architecture_file_is_read_in_part_only() -> None:
    with pytest.raises(InputError, match="larger than 32 MiB"):
        Architecture.load("/dev/zero")


def test_the_deepest_network_is_read(tmp_path: Path) -> None:
    space = SpaceConfig(4, (5, 4096), ((4096,), (4096,)), (1,), (1,), 0, 1)
    network = Architecture(space, ((Layer(1, 1, 5, 5),) * 4096, (Layer(1, 1, 4096, 4096),) * 4096))
    (tmp_path / "architecture.json").write_text(network.to_json())
    assert Architecture.load(tmp_path) == network
