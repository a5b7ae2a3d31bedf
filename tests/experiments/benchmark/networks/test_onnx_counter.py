import onnx
import pytest
from onnx import helper

from experiments.benchmark.networks.files import write_file
from experiments.benchmark.networks.networks import find_networks
from experiments.benchmark.networks.onnx_counter import count_onnx
from experiments.export.formats import FORMATS
from experiments.export.settings import ExportSettings
from experiments.metrics.counter import count_module
from nas_space.blocks import DownsamplerBlock


def scaled(network, size):
    """Values that the folded batch norms of the downsamplers scale by a convolution of their own: the pooled ones."""
    blocks = [part for part in network.modules() if isinstance(part, DownsamplerBlock)]
    return sum(
        block.conv.in_channels * (size[0] >> times) * (size[1] >> times) for times, block in enumerate(blocks, 1)
    )


@pytest.mark.parametrize("name", ["own", "erfnet", "lraspp_mobilenet_v3_large"])
def test_files_cost_what_their_modules_cost(name, architecture, tmp_path):
    (network,) = find_networks([str(architecture) if name == "own" else name], None, 5)
    assert network.build is not None
    file = write_file(network, "onnxruntime", "fp32", (64, 96), tmp_path)
    expected, found = count_module(network.build(), (64, 96)), count_onnx(file, (64, 96))
    macs = expected.macs_conv + scaled(network.build(), (64, 96))
    assert (found.macs_conv, found.macs_total, found.unknown) == (macs, None, {})
    assert 0.95 * expected.params < found.params <= expected.params  # without the batch norms, which have been folded


def test_quantised_and_dynamic_files(architecture, tmp_path):
    (network,) = find_networks([str(architecture)], None, 5)
    assert network.build is not None
    expected = count_module(network.build(), (32, 48)).macs_conv + scaled(network.build(), (32, 48))
    assert count_onnx(write_file(network, "onnxruntime", "int8", (32, 48), tmp_path), (32, 48)).macs_conv == expected
    FORMATS["onnx"].write(network.build(), tmp_path / "any.onnx", ExportSettings((64, 64), dynamic=True))
    found = count_onnx(tmp_path / "any.onnx", (32, 48))
    assert (found.macs_conv, found.unknown) == (expected, {})


def test_operators_by_hand(onnx_file):
    assert count_onnx(onnx_file((1, 3, "h", "w")), (40, 50)).macs_conv == 40 * 50 * 5 * 3
    assert count_onnx(onnx_file(), (32, 64)).params == 5 * 3


def test_what_is_not_known_is_listed(onnx_file):
    file = onnx_file(
        more=(helper.make_node("Det", ["scores"], ["area"]), helper.make_node("Sin", ["scores"], ["wave"]))
    )
    found = count_onnx(file, (32, 64))
    assert found.unknown == {"Det": 1, "Sin": 1} and found.macs_conv == 32 * 64 * 15


def test_a_convolution_of_unknown_shape_is_listed(onnx_file):
    file = onnx_file()
    model = onnx.load(file)
    model.graph.node.insert(0, helper.make_node("Magic", ["picture"], ["unclear"], domain="somebody"))
    model.graph.node[1].input[0] = "unclear"
    model.opset_import.append(helper.make_opsetid("somebody", 1))
    onnx.save(model, file)
    assert count_onnx(file, (32, 64)).unknown == {"Magic": 1, "Conv of unknown shape": 1}
