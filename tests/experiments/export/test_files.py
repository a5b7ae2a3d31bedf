"""ONNX and OpenVINO files compute what the network computes, in every form."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from numpy.typing import NDArray

from experiments.export.deployed import Deployed
from experiments.export.formats import FORMATS
from experiments.export.settings import ExportSettings
from experiments.runtime.engines import RT_INFO
from experiments.runtime.interface import Interface
from nas_space.architecture import baseline1
from nas_space.blocks import ResidualLayer
from nas_space.config import SpaceConfig
from nas_space.lowering import LOWERINGS, Lowering
from nas_space.network import SegmentationNetwork

Networks = Callable[..., SegmentationNetwork]
FORMS = [Interface(), Interface(pixels=True), Interface(resize=True), Interface(pixels=True, resize=True, argmax=True)]
SIZES = [(67, 101), (64, 96), (33, 130)]


def run_onnx(path: Path | bytes, image: NDArray[Any]) -> NDArray[Any]:
    source = path if isinstance(path, bytes) else str(path)
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: image})[0]


def run_openvino(path: Path, image: NDArray[Any]) -> NDArray[Any]:
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(model({"image": image})[0])


RUN = {".onnx": (FORMATS["onnx"].write, run_onnx), ".xml": (FORMATS["openvino"].write, run_openvino)}


@pytest.mark.parametrize("suffix", RUN)
@pytest.mark.parametrize("head", ["encoder", "aggregation"])
@pytest.mark.parametrize("dynamic", [False, True])
def test_every_form(suffix: str, head: str, dynamic: bool, network: Networks, tmp_path: Path) -> None:
    write, run = RUN[suffix]
    path, original = tmp_path / f"model{suffix}", network(3, head)
    for interface in FORMS:
        write(original, path, ExportSettings(SIZES[0], dynamic, interface))
        for size in SIZES if dynamic else SIZES[:1]:
            image = (
                torch.randint(0, 256, (1, *size, 3), dtype=torch.uint8)
                if interface.pixels
                else torch.randn(1, 3, *size)
            )
            with torch.inference_mode():
                expected = Deployed(original, interface).eval()(image).numpy()
            result = run(path, image.numpy())
            assert result.dtype == expected.dtype and result.shape == expected.shape
            if interface.argmax:
                assert np.mean(result == expected) > 0.999
            else:
                np.testing.assert_allclose(result, expected, atol=1e-4)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == ([".onnx"] if suffix == ".onnx" else [".bin", ".xml"])


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_reductions_in_openvino(precision: str, dynamic: bool, network: Networks, tmp_path: Path) -> None:
    """No argmax, no pooling of an image of one size; the classes are the first largest logits, in 8 bits too."""
    openvino_format, original, shape = FORMATS["openvino"], network(1), (1, 3, 64, 96)
    given: dict[bool, NDArray[Any]] = {}
    image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    for argmax in (False, True):
        settings = ExportSettings((64, 96), dynamic, Interface(argmax=argmax))
        file = tmp_path / f"{argmax}.xml"
        openvino_format.write(original, file, settings)
        if precision == "int8":
            assert openvino_format.quantise is not None
            openvino_format.quantise(file, [image], settings)
        given[argmax] = run_openvino(file, image)
        answer = openvino_format.open(file, settings)(image)
        np.testing.assert_array_equal(answer.output, given[argmax])
        if argmax:
            np.testing.assert_array_equal(answer.logits.argmax(1), answer.output)
        nodes = openvino.Core().read_model(file).get_ordered_ops()
        chooses = [node for node in nodes if node.get_type_name() == "ReduceMax"][-1:] if argmax else []
        assert all(node.input_value(0).get_node().get_type_name() != "FakeQuantize" for node in chooses)
        types = Counter(node.get_type_name() for node in nodes)
        assert types["TopK"] == 0 and types["MaxPool"] == (3 if dynamic else 2)
    np.testing.assert_array_equal(given[False].argmax(1), given[True])


def test_of_equal_logits_the_first_class_counts() -> None:
    logits = torch.tensor([[1.0, 1.0, 0.0], [2.0, 5.0, 5.0], [3.0, 3.0, 3.0]]).T.reshape(1, 3, 1, 3)
    classes = Deployed(torch.nn.Identity(), Interface(argmax=True), reductions=True)(logits)
    assert classes.dtype == torch.uint8 and classes.tolist() == [[[0, 1, 0]]]


@pytest.mark.parametrize("lowering", LOWERINGS)
def test_the_graph_is_lean(lowering: Lowering, network: Networks, tmp_path: Path) -> None:
    """A convolution for each of the network's, and nothing that batch norms or poolings of odd sizes would leave."""
    original = network(1)
    settings = ExportSettings((67, 101), lowering=lowering, metadata={"key": "value"})
    FORMATS["onnx"].write(original, tmp_path / "model.onnx", settings)
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    counts = Counter(node.op_type for node in model.graph.node)
    pooled = sum(layer.pooling > 1 for layer in original.modules() if isinstance(layer, ResidualLayer))
    convolutions = sum(isinstance(part, torch.nn.Conv2d) for part in original.modules())
    assert counts["Conv"] == convolutions + 3  # one behind the pooling of each downsampler
    assert counts["MaxPool"] == 3 and counts["AveragePool"] == counts["Resize"] == pooled > 0
    assert counts["BatchNormalization"] == 0
    assert (counts["Pad"] > 0) == (lowering == "pad")
    assert {entry.key: entry.value for entry in model.metadata_props} == {"key": "value"}


def test_a_layer_is_two_convolutions_in_onnxruntime(tmp_path: Path) -> None:
    """The residual sum and every ReLU are fused, and features stay in the engine's own layout from layer to layer."""
    network = SegmentationNetwork(baseline1(SpaceConfig.compact()), 9).eval()
    FORMATS["onnx"].write(network, tmp_path / "model.onnx", ExportSettings((64, 96)))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"])
    counts = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert counts["Add"] == counts["Relu"] == counts["Mul"] == 0
    assert counts["ReorderInput"] + counts["ReorderOutput"] <= 5  # around the first downsampler, whose channels are few


@pytest.mark.parametrize("interface", FORMS[:2])
def test_the_pooling_of_an_image_stays_in_float32(interface: Interface, tmp_path: Path) -> None:
    """In 8 bits it takes ten times as long; ONNX Runtime did so in networks without a pooled layer."""
    network = SegmentationNetwork(baseline1(SpaceConfig.compact()), 9).eval()
    settings, file = ExportSettings((64, 96), interface=interface), tmp_path / "model.onnx"
    FORMATS["onnx"].write(network, file, settings)
    quantise = FORMATS["onnx"].quantise
    assert quantise is not None
    quantise(file, [interface.noise(interface.shape((64, 96)), np.random.default_rng(0))], settings)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "optimized.onnx").graph
    pool = next(node for node in graph.node if node.op_type == "MaxPool")
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    assert made_by.get(pool.input[0]) != "QuantizeLinear"


def test_several_images_at_once(network: Networks, tmp_path: Path) -> None:
    FORMATS["onnx"].write(network(), tmp_path / "model.onnx", ExportSettings((40, 48), dynamic=True))
    images = np.random.default_rng(0).standard_normal((3, 3, 40, 48), dtype=np.float32)
    together = run_onnx(tmp_path / "model.onnx", images)
    np.testing.assert_allclose(
        together, np.concatenate([run_onnx(tmp_path / "model.onnx", x[None]) for x in images]), atol=1e-5
    )


def test_an_intermediate_representation_says_what_it_is(network: Networks, tmp_path: Path) -> None:
    settings = ExportSettings((40, 48), metadata={"classes": '["a", "b"]'})
    FORMATS["openvino"].write(network(), tmp_path / "model.xml", settings)
    model = openvino.Core().read_model(tmp_path / "model.xml")
    assert model.get_rt_info([RT_INFO, "classes"]).astype(str) == '["a", "b"]'


def test_any_other_network(tmp_path: Path) -> None:
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()
    FORMATS["onnx"].write(other, tmp_path / "model.onnx", ExportSettings((32, 32)))
    image = torch.randn(1, 3, 32, 32)
    np.testing.assert_allclose(
        run_onnx(tmp_path / "model.onnx", image.numpy()), other(image).detach().numpy(), atol=1e-5
    )
