"""Images of every kind give three pictures of their own size."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from experiments.model_file import ModelInfo
from experiments.prediction.images import predict_image
from experiments.prediction.inputs import Source
from experiments.prediction.options import EvalOptions
from experiments.prediction.segmenter import TorchSegmenter, load_segmenter
from experiments.report.gallery import colour_map
from nas_space.errors import InputError


@pytest.fixture
def trained(checkpoint: Callable[..., Path]) -> tuple[TorchSegmenter, ModelInfo]:
    return load_segmenter(checkpoint(), EvalOptions(), "cpu")


def scene(height: int = 50, width: int = 70) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize((width, height))


def predicted(
    path: Path, trained: tuple[TorchSegmenter, ModelInfo], folder: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index, colour and overlay, the last two RGB."""
    predict_image(Source(path, "name"), *trained, folder)
    index = cv2.imread(str(folder / "index" / "name.png"), cv2.IMREAD_UNCHANGED)
    colour, overlay = (np.asarray(Image.open(folder / kind / "name.png")) for kind in ("colour", "overlay"))
    assert index is not None and index.ndim == 2 and index.dtype == np.uint8
    assert colour.shape == (*index.shape, 3) and overlay.shape[0] > index.shape[0]
    return index, colour, overlay


def test_three_pictures_that_agree(tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    import torch

    scene().save(tmp_path / "x.png")
    segmenter, info = trained
    row = predict_image(Source(tmp_path / "x.png", "sub/é"), segmenter, info, tmp_path)
    index = cv2.imdecode(np.fromfile(tmp_path / "index" / "sub" / "é.png", np.uint8), cv2.IMREAD_UNCHANGED)
    assert index is not None and (index == segmenter(np.asarray(scene()))).all()
    colour = np.asarray(Image.open(tmp_path / "colour" / "sub" / "é.png"))
    assert (colour == colour_map(torch.from_numpy(index.astype(np.uint8)), info.colours)).all()
    assert row["size"] == "50x70" and sum(row["classes"].values()) == pytest.approx(1) and len(row["classes"]) > 1
    assert row["classes"] == {info.classes[i]: pytest.approx((index == i).mean()) for i in np.unique(index)}
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("é*")) == [
        f"{kind}/sub/é.png" for kind in ("colour", "index", "overlay")
    ]


MODES = {
    "png": ("L", "RGBA", "P", "I;16", "1", "LA"),
    "jpg": ("L", "CMYK"),
    "tif": ("L", "RGBA", "P", "CMYK", "I;16", "1", "LA"),
    "bmp": ("L", "P", "1"),
    "webp": ("RGB", "RGBA"),
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in MODES.items() for mode in modes])
def test_kinds_of_images(mode: str, suffix: str, tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    image = (
        Image.fromarray(np.asarray(scene().convert("L")).astype(np.uint16) * 257)
        if mode == "I;16"
        else scene().convert(mode)
    )
    image.save(tmp_path / f"x.{suffix}")
    index, _, _ = predicted(tmp_path / f"x.{suffix}", trained, tmp_path)
    assert index.shape == (50, 70)


def test_an_alpha_channel_is_dropped(tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    scene().save(tmp_path / "x.png")
    image = scene().convert("RGBA")
    image.putalpha(7)
    image.save(tmp_path / "y.png")
    pictures = [predicted(tmp_path / name, trained, tmp_path / name[0])[2] for name in ("x.png", "y.png")]
    assert (pictures[0] == pictures[1]).all()


def test_exif_orientation(tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    upright = scene()
    upright.save(tmp_path / "x.jpg", quality=100, subsampling=0)
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(tmp_path / "y.jpg", quality=100, subsampling=0, exif=exif)
    first, second = (predicted(tmp_path / name, trained, tmp_path / name[0])[0] for name in ("x.jpg", "y.jpg"))
    assert first.shape == second.shape == (50, 70) and (first == second).mean() > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (20, 20000), (20000, 20), (1200, 1600)])
def test_sizes(shape: tuple[int, int], tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]) -> None:
    cv2.imwrite(str(tmp_path / "x.png"), np.full((*shape, 3), 90, np.uint8))
    index, _, overlay = predicted(tmp_path / "x.png", trained, tmp_path)
    assert index.shape == shape and overlay.shape[1] == max(shape[1], 256)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_image_is_refused(
    suffix: str, keep: float, tmp_path: Path, trained: tuple[TorchSegmenter, ModelInfo]
) -> None:
    path = tmp_path / f"x.{suffix}"
    scene(60, 80).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputError, match="not an image, or truncated"):
        predict_image(Source(path, "x"), *trained, tmp_path / "out")
    assert not (tmp_path / "out").exists()
