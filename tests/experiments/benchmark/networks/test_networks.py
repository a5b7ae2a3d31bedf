import shutil
from pathlib import Path

import pytest
import torch

from experiments.benchmark.networks.cost_table import count
from experiments.benchmark.networks.networks import describe_baselines, find_networks
from experiments.model_file import ModelInfo, save_model
from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import SpaceConfig
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork


@pytest.fixture
def run_folder(tiny, tmp_path) -> Path:
    architecture = baseline1(tiny())
    info = ModelInfo(architecture, "aggregation", ("a", "b"), ((0, 0, 0), (1, 1, 1)), (32, 32), "streets")
    folder = tmp_path / "run"
    folder.mkdir()
    save_model(folder, SegmentationNetwork(architecture, 2, "aggregation"), info)
    return folder


def test_every_kind_is_found(architecture, run_folder, onnx_file):
    names = [
        str(architecture),
        str(run_folder),
        str(run_folder / "model.safetensors"),
        str(onnx_file()),
        "erfnet",
        "baseline2",
    ]
    found = find_networks(names, None, 7)
    assert [network.name for network in found] == names
    assert [network.trained for network in found] == [False, True, True, False, False, False]
    assert [network.classes for network in found] == [7, 2, 2, None, 7, 7]
    channels = [network.build()(torch.zeros(1, 3, 32, 32)).shape[1] if network.build else None for network in found]
    assert channels == [7, 2, 2, None, 7, 7]


def test_a_run_without_weights_is_its_architecture(architecture):
    (found,) = find_networks([str(architecture.parent)], None, 3)
    assert found.architecture == Architecture.load(architecture) and not found.trained


def test_trained_weights_are_those_of_the_file(run_folder):
    (found,) = find_networks([str(run_folder)], None, 9)
    from safetensors.torch import load_file

    weights = load_file(run_folder / "model.safetensors")
    assert found.build is not None
    assert all(torch.equal(value, weights[name]) for name, value in found.build().state_dict().items())


def test_baselines_are_of_the_measured_space(architecture, tiny):
    found = find_networks(["baseline1", str(architecture), "baseline2"], None, 3)
    assert (found[0].architecture, found[2].architecture) == (baseline1(tiny()), baseline2(tiny()))
    assert find_networks(["baseline1"], None, 3)[0].architecture == baseline1(SpaceConfig.paper())
    found = find_networks(["baseline1", str(architecture)], "compact", 3)
    assert found[0].architecture == baseline1(SpaceConfig.compact())
    assert describe_baselines(found) == "baselines of the compact space, 32 and 64 channels"
    assert describe_baselines(found[1:]) == ""


def test_a_head_is_that_of_untrained_networks(architecture, run_folder):
    names = [str(run_folder), str(architecture), "baseline1", "erfnet"]
    assert [one.head for one in find_networks(names, None, 2)] == ["aggregation", None, "aggregation", None]
    heads = [one.head for one in find_networks(names, None, 2, head="encoder")]
    assert heads == ["aggregation", "encoder", "encoder", None]
    found = find_networks(names, None, 2, head="aggregation")
    assert [one.head for one in found] == ["aggregation", "aggregation", "aggregation", None]
    channels = {type(one.build().head).__name__ for one in found[:3] if one.build}
    assert channels == {"AggregationBlock"}
    with pytest.raises(InputError, match="^head: this space has no 'fusion'; choose from encoder, aggregation$"):
        find_networks(names, None, 2, head="fusion")


def test_encoder_is_the_head_of_a_search_in_every_space():
    (found,) = find_networks(["baseline1"], "pyramid", 2, head="encoder")
    assert found.head == "fusion" and found.build is not None and type(found.build().head).__name__ == "FusionHead"


def test_another_head_than_that_of_a_search_has_random_weights(tiny, tmp_path):
    architecture = baseline1(tiny())
    info = ModelInfo(architecture, "encoder", ("a", "b"), ((0, 0, 0), (1, 1, 1)), (32, 32), "streets")
    save_model(tmp_path, SegmentationNetwork(architecture, 2), info)
    for head, trained, classes in ((None, True, 2), ("encoder", True, 2), ("aggregation", False, 7)):
        (found,) = find_networks([str(tmp_path)], None, 7, head=head)
        assert (found.trained, found.classes) == (trained, classes)
        assert found.build is not None and found.build().head_name == (head or "encoder")


def test_baselines_differ_from_a_trained_network_in_their_layers_alone(run_folder, tiny):
    found = find_networks([str(run_folder), "baseline1", "erfnet"], None, None)
    assert (found[1].architecture, found[1].head) == (baseline1(tiny()), "aggregation")
    assert [network.classes for network in found] == [2, 2, 2]
    ours, reference = (network.build() for network in found[:2] if network.build is not None)
    assert {name: value.shape for name, value in ours.state_dict().items()} == {
        name: v.shape for name, v in reference.state_dict().items()
    }
    assert count(found[0], (64, 96)) == count(found[1], (64, 96))  # of baseline1's layers, both
    assert describe_baselines(found) == "baselines of the measured space, 8 and 12 channels, with the aggregation block"
    assert [network.classes for network in find_networks(["baseline1", "erfnet"], None, None)] == [19, 19]


def test_random_weights_are_the_same_each_time_and_disturb_nobody():
    (found,) = find_networks(["lraspp_mobilenet_v3_large"], None, 3)
    before = torch.get_rng_state()
    assert found.build is not None
    first, second = found.build().state_dict(), found.build().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first) and torch.equal(before, torch.get_rng_state())


def test_what_is_no_network_is_named(tmp_path, architecture, run_folder):
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    (tmp_path / "empty").mkdir()
    shutil.copy(architecture, tmp_path / "weights.safetensors")
    for name, message in {
        "baseline3": "no such network; did you mean baseline",
        "nowhere/model.bin": "no such network; give a file, a run folder, or one of baseline1, baseline2, "
        "erfnet, lraspp",
        str(broken): "architecture: not valid JSON",
        str(tmp_path / "empty"): "holds neither model.safetensors nor architecture.json",
        str(tmp_path / "weights.safetensors"): "not a safetensors file, or damaged",
    }.items():
        with pytest.raises(InputError, match=f"^{name}: {message}"):
            find_networks([name], None, 3)
    with pytest.raises(InputError, match="classes: 0 must be at least 1"):
        find_networks(["erfnet"], None, 0)
    with pytest.raises(InputError, match="space.preset: unknown 'huge'"):
        find_networks(["erfnet", "baseline1"], "huge", 3)
