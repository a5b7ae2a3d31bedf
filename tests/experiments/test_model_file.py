"""A trained network goes to disk and comes back, and nothing else comes in."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from experiments.model_file import ModelInfo, load_model, save_model
from nas_space.architecture import baseline1
from nas_space.config import Head, SpaceConfig
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork

COLOURS = ((0, 0, 0), (255, 0, 0), (0, 255, 0))


def saved(folder: Path, space: SpaceConfig, head: Head = "encoder") -> tuple[SegmentationNetwork, ModelInfo]:
    info = ModelInfo(baseline1(space), head, ("road", "a, b", "sky"), COLOURS, (40, 64), "mine")
    network = SegmentationNetwork(info.architecture, 3, head).eval()
    for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.running_mean = torch.rand_like(norm.running_mean)  # type: ignore[arg-type]
    save_model(folder, network, info)
    return network, info


@pytest.mark.parametrize(
    ("stages", "head"), [(2, "encoder"), (2, "aggregation"), (3, "fusion"), (4, "fusion"), (4, "aggregation")]
)
@pytest.mark.parametrize("name", ["", "model.safetensors"])
def test_round_trip(
    stages: int, head: Head, name: str, tmp_path: Path, tiny: Callable[..., SpaceConfig], deep: Callable[..., Any]
) -> None:
    network, info = saved(tmp_path, tiny() if stages == 2 else deep(stages), head)
    loaded, told = load_model(tmp_path / name)
    assert told == info and not loaded.training
    image = torch.rand(1, 3, 64, 72)
    assert torch.equal(loaded(image), network(image))
    assert json.loads((tmp_path / "architecture.json").read_text()) == json.loads(info.architecture.to_json())


def test_a_search_that_was_cut_says_why_it_has_no_weights(tmp_path: Path, tiny: Callable[..., SpaceConfig]) -> None:
    saved(tmp_path, tiny())
    (tmp_path / "model.safetensors").unlink()
    for content, reason in (
        ('{"weights": null}', "this search did not end discrete, so it left none; its report.html has the command"),
        ('{"weights": "model.safetensors"}', "give the model.safetensors of a retraining"),  # lost since
        ("{}", "give the model.safetensors of a retraining"),  # of an earlier version
        ("[", "give the model.safetensors of a retraining"),
    ):
        (tmp_path / "search.json").write_text(content)
        with pytest.raises(InputError, match=f"model.safetensors: no such file; {reason}"):
            load_model(tmp_path)
    with pytest.raises(InputError, match="other.safetensors: no such file; give the model.safetensors of a retraining"):
        load_model(tmp_path / "other.safetensors")


def test_weights_that_only_cost_time_are_dropped(tmp_path: Path, tiny: Callable[..., SpaceConfig]) -> None:
    network, info = saved(tmp_path, tiny())
    with torch.no_grad():
        network.stage1[0].conv.conv3x1.weight[0] = 1e-40  # type: ignore[index, union-attr]
    save_model(tmp_path, network, info)
    loaded, _ = load_model(tmp_path)
    assert not any(bool(((weight != 0) & (weight.abs() < 1e-30)).any()) for weight in loaded.parameters())
    image = torch.rand(1, 3, 40, 64)
    assert torch.equal(loaded(image), network(image))


def test_bits_of_images_come_back(tmp_path: Path) -> None:
    peer = "lraspp_mobilenet_v3_large"
    info = ModelInfo(None, None, ("road", "sky"), COLOURS[:2], (40, 64), "mine", peer, image_bits=14)
    save_model(tmp_path, info.build(), info)
    assert load_model(tmp_path)[1].image_bits == 14


def test_round_trip_of_a_peer(tmp_path: Path) -> None:
    info = ModelInfo(None, None, ("road", "sky"), COLOURS[:2], (40, 64), "mine", "lraspp_mobilenet_v3_large")
    network = info.build().eval()
    save_model(tmp_path, network, info)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    loaded, told = load_model(tmp_path)
    assert told == info and not loaded.training
    image = torch.rand(1, 3, 40, 64)
    assert torch.equal(loaded(image), network(image))


def test_a_peer_that_is_none(tmp_path: Path) -> None:
    info = ModelInfo(None, None, ("road", "sky"), COLOURS[:2], (40, 64), "mine", "lraspp_mobilenet_v3_large")
    save_model(tmp_path, info.build(), info)
    path = tmp_path / "model.safetensors"
    for change in ({"peer": "pspnet"}, {"peer": 3}, {"peer": ["erfnet"]}, {"head": "encoder"}, {"peer": "erfnet"}):
        header = json.loads(info.metadata()["ssr-nas"]) | change
        save_file(load_file(path), path, {"ssr-nas": json.dumps(header)})
        with pytest.raises(InputError, match=r"header is damaged|does not fit the architecture"):
            load_model(path)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> object:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="not a safetensors file"):
        load_model(path)
    torch.save({"x": Bomb()}, path)
    with pytest.raises(InputError, match="not a safetensors file"):
        load_model(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "other"}, "not a model of this toolkit"),
        ({"head": "other"}, "header is damaged"),
        ({"classes": ["road"]}, "header is damaged"),
        ({"classes": ["road", "sky"], "colours": [[0, 0, 0], [1, 1, 1]]}, "does not fit the architecture"),
        ({"head": "aggregation"}, "does not fit the architecture"),
        ({"size": "big"}, "model.safetensors: its header is damaged: size 'big'"),
        ({"architecture": {}}, "model.safetensors: its header is damaged: architecture: expected"),
        ({"colours": [[0, 0], [1, 1, 1], [2, 2, 2]]}, "header is damaged"),
        ({"colours": [[0, 0, 256], [1, 1, 1], [2, 2, 2]]}, "header is damaged"),
        ({"colours": [[0, 0, float("inf")], [1, 1, 1], [2, 2, 2]]}, "header is damaged"),
        ({"classes": [str(i) for i in range(256)], "colours": [[0, 0, 0]] * 256}, "header is damaged"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_header_that_does_not_fit(
    changes: dict[str, object], words: str, tmp_path: Path, tiny: Callable[..., SpaceConfig]
) -> None:
    _, info = saved(tmp_path, tiny())
    path = tmp_path / "model.safetensors"
    header = json.loads(info.metadata()["ssr-nas"]) | changes
    save_file(load_file(path), path, {"ssr-nas": json.dumps(header)})
    with pytest.raises(InputError, match=words) as error:
        load_model(path)
    assert len(str(error.value).splitlines()) == 1


def test_what_does_not_fit_takes_no_memory(
    tmp_path: Path, tiny: Callable[..., SpaceConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, info = saved(tmp_path, tiny())
    path, built, build = tmp_path / "model.safetensors", [], ModelInfo.build
    header = json.loads(info.metadata()["ssr-nas"]) | {
        "architecture": json.loads(baseline1(SpaceConfig.paper()).to_json())
    }
    save_file(load_file(path), path, {"ssr-nas": json.dumps(header)})
    monkeypatch.setattr(ModelInfo, "build", lambda self: built.append(build(self)) or built[-1])  # type: ignore[func-returns-value]
    with pytest.raises(InputError, match="does not fit the architecture"):
        load_model(path)
    assert not built
    header["head"] = "aggregation"
    header["architecture"] = json.loads(info.metadata()["ssr-nas"])["architecture"]
    save_file({**load_file(path), "more": torch.zeros(9999)}, path, {"ssr-nas": json.dumps(header)})
    with pytest.raises(InputError, match="does not fit the architecture"):
        load_model(path)
    assert built and all(parameter.is_meta for network in built for parameter in network.parameters())


def test_a_file_larger_than_the_free_memory(
    tmp_path: Path, tiny: Callable[..., SpaceConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, _ = saved(tmp_path, tiny())
    count = sum(tensor.numel() for tensor in network.state_dict().values())
    monkeypatch.setattr("experiments.model_file.free_memory", lambda: 8 * count)
    load_model(tmp_path)
    monkeypatch.setattr("experiments.model_file.free_memory", lambda: 8 * count - 1)
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *_: pytest.fail("took memory"))
    with pytest.raises(InputError, match=rf"model.safetensors: {count:,} weights take .* GB are free"):
        load_model(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"\xff" * 100])
def test_a_damaged_file(damage: Callable[[bytes], bytes], tmp_path: Path, tiny: Callable[..., SpaceConfig]) -> None:
    saved(tmp_path, tiny())
    path = tmp_path / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="model.safetensors: not a safetensors file, or damaged"):
        load_model(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"ssr-nas": "no json"}, {"ssr-nas": "[]"}])
def test_a_file_of_something_else(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "model.safetensors", metadata)
    with pytest.raises(InputError, match="not a model of this toolkit|header is damaged"):
        load_model(tmp_path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "model.xml"])
def test_an_exported_file_is_known(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"exported")
    with pytest.raises(InputError, match=f"{name}: an exported file; give the model.safetensors"):
        load_model(tmp_path / name)
