import sys

import onnx
import pytest
from onnx import TensorProto

from experiments.benchmark.networks.onnx_input import check_onnx, read_onnx
from nas_space.errors import InputError


@pytest.mark.parametrize(
    "shape", [(1, 3, 32, 64), (1, 3, "height", "width"), ("batch", 3, "height", "width"), (1, 3, 32, "width")]
)
def test_networks_for_one_image_are_taken(onnx_file, shape):
    check_onnx(onnx_file(shape), (32, 64))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 32, 64), "takes 2x3x32x64, a batch of 2; export it for one image"),
        ((1, 4, 32, 64), r"takes 1x4x32x64; an image of 1x3x32x64 \(channels first, RGB\) is needed"),
        ((1, 32, 64, 3), r"takes 1x32x64x3; an image of 1x3x32x64 \(channels first, RGB\) is needed"),
        ((3, 32, 64), "takes 3x32x64; an image of 1x3x32x64"),
        ((1, 3, 64, 64), "takes 1x3x64x64 only; give --size 64x64, or export it for 32x64"),
    ],
)
def test_other_shapes_are_refused(onnx_file, shape, message):
    file = onnx_file(shape)
    with pytest.raises(InputError, match=f"^{file}: {message}"):
        check_onnx(file, (32, 64))


def test_several_inputs_are_named(onnx_file):
    with pytest.raises(InputError, match=r"other.onnx: has 2 inputs \(picture, picture1\); one is needed, the image"):
        check_onnx(onnx_file(inputs=2), (32, 64))


def test_images_of_bytes_are_refused(onnx_file):
    with pytest.raises(InputError, match="its input is not float32"):
        check_onnx(onnx_file(kind=TensorProto.UINT8), (32, 64))


@pytest.mark.parametrize("content", [b"", b"not an ONNX file", b"\x08\x08" + bytes(range(256))])
def test_damaged_files_are_named(tmp_path, content):
    file = tmp_path / "damaged.onnx"
    file.write_bytes(content)
    with pytest.raises(InputError, match=f"^{file}: not an ONNX file, or damaged"):
        check_onnx(file, (32, 64))


def test_a_truncated_file_is_named(onnx_file):
    file = onnx_file()
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match="other.onnx: "):
        check_onnx(file, (32, 64))


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_weights_in_another_file(onnx_file, content):
    file = onnx_file()
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert read_onnx(file, weights=True).graph.initializer[0].raw_data
    if content is None:
        (file.parent / "weights.bin").unlink()
    else:
        (file.parent / "weights.bin").write_bytes(content)
    check_onnx(file, (32, 64))
    with pytest.raises(
        InputError, match=f"^{file}: its weights lie in another file, which cannot be read; put it beside this one"
    ):
        read_onnx(file, weights=True)


def test_onnx_may_be_missing(onnx_file, monkeypatch):
    file = onnx_file()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"onnx is not installed; pip install 'ssr-nas\[deploy\]'"):
        check_onnx(file, (32, 64))
