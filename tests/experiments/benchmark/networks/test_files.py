import numpy as np
import pytest
import torch

from experiments.benchmark.networks.files import check_file, count_batch_norms, size_mb, write_file
from experiments.benchmark.networks.networks import Network, find_networks
from experiments.benchmark.networks.worker import open_torch
from experiments.runtime.engines import open_timed
from nas_space.errors import InputError

SIZE = (33, 45)


def answer(engine, file, image):
    return open_timed(engine, file, 1, image.shape)(image)


@pytest.mark.parametrize(
    ("engine", "name"),
    [("onnxruntime", "own"), ("openvino", "own"), ("onnxruntime", "erfnet"), ("openvino", "lraspp_mobilenet_v3_large")],
)
def test_files_are_the_networks(engine, name, architecture, tmp_path):
    (network,) = find_networks([str(architecture) if name == "own" else name], None, 5)
    image = np.random.default_rng(1).standard_normal((1, 3, *SIZE), dtype=np.float32)
    assert network.build is not None
    with torch.inference_mode():
        expected = network.build()(torch.from_numpy(image)).numpy()
    file = write_file(network, engine, "fp32", SIZE, tmp_path)
    np.testing.assert_allclose(answer(engine, file, image), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert size_mb(file) > 0.9 * sum(value.numel() for value in network.build().parameters()) * 4 / 2**20


def test_the_size_of_a_file_is_its_own(tmp_path):
    for name, size in {"model.onnx": 1, "model.xml": 2, "model.bin": 4}.items():
        (tmp_path / name).write_bytes(b"x" * size * 2**20)
    assert [size_mb(tmp_path / name) for name in ("model.onnx", "model.xml")] == [1, 6]


def test_exported_programs_are_the_networks(architecture, tmp_path):
    (network,) = find_networks([str(architecture)], None, 5)
    file = write_file(network, "torch", "fp32", SIZE, tmp_path)
    assert network.build is not None
    with torch.inference_mode():
        image = torch.randn(1, 3, *SIZE)
        expected = network.build()(image)
        torch.testing.assert_close(torch.export.load(file).module()(image), expected, rtol=1e-4, atol=1e-5)
    assert open_torch(file, image.numpy(), 1, "cpu", compiled=False)() == (1, 5, 5, 6)
    assert count_batch_norms(file) is None


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_eight_bits_are_other_and_smaller_files(engine, tmp_path):
    (network,) = find_networks(["baseline1"], None, 5)
    files = []
    for precision in ("fp32", "int8"):
        (tmp_path / precision).mkdir()
        files.append(write_file(network, engine, precision, (32, 32), tmp_path / precision))
    assert size_mb(files[1]) < 0.4 * size_mb(files[0])
    image = np.random.default_rng(1).standard_normal((1, 3, 32, 32), dtype=np.float32)
    first, second = (answer(engine, file, image) for file in files)
    assert first.shape == second.shape and not np.array_equal(first, second)


def test_batch_norms_are_counted(tmp_path):
    plain = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.BatchNorm2d(4), torch.nn.ReLU()
    ).eval()
    folded = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).eval()
    for number, (module, left) in enumerate(((plain, 1), (folded, 0))):
        for engine in ("onnxruntime", "openvino"):
            folder = tmp_path / f"{number}-{engine}"
            folder.mkdir()
            found = count_batch_norms(
                write_file(Network("x", 4, lambda module=module: module), engine, "fp32", (32, 32), folder)
            )
            assert found == left or (engine == "openvino" and found == 0)  # its reader folds more


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_batches(engine, architecture, tmp_path):
    (network,) = find_networks([str(architecture)], None, 5)
    images = np.random.default_rng(1).standard_normal((3, 3, *SIZE), dtype=np.float32)
    assert network.build is not None
    with torch.inference_mode():
        expected = network.build()(torch.from_numpy(images)).numpy()
    found = answer(engine, write_file(network, engine, "fp32", SIZE, tmp_path, batch=3), images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_files_of_others_are_run_as_they_are(onnx_file, tmp_path):
    (network,) = find_networks([str(onnx_file())], None, 5)
    assert write_file(network, "openvino", "int8", (32, 64), tmp_path) == onnx_file()
    with pytest.raises(InputError, match="other.onnx: an ONNX file is run with a batch of 1"):
        write_file(network, "onnxruntime", "fp32", (32, 64), tmp_path, batch=2)


def test_what_an_engine_cannot_run_is_refused_before_anything_is_exported(onnx_file):
    (other,) = find_networks([str(onnx_file())], None, 5)
    with pytest.raises(
        InputError, match="other.onnx: engine compile runs no ONNX files; choose onnxruntime or openvino"
    ):
        check_file(other, "compile", "fp32", (32, 64))
    with pytest.raises(InputError, match="other.onnx: takes 1x3x32x64 only"):
        check_file(other, "onnxruntime", "fp32", (64, 64))
    with pytest.raises(InputError, match="precision: int8 is not made for torch"):
        check_file(Network("x"), "torch", "int8", (32, 64))
    with pytest.raises(InputError, match="precision: unknown 'fp4'; choose from fp32, int8"):
        check_file(Network("x"), "torch", "fp4", (32, 64))
