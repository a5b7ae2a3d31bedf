"""What a file says of itself comes back, and nothing damaged does."""

import json
from dataclasses import replace

import pytest
import torch

from experiments.data.transforms import normalise
from experiments.runtime.description import OFFSET, SCALE, Description
from experiments.runtime.interface import Interface
from nas_space.errors import InputError

DESCRIPTION = Description(
    classes=("road", 'a, "b"'),
    colours=((0, 1, 2), (255, 254, 253)),
    size=(40, 64),
    dynamic=True,
    interface=Interface(pixels=True, argmax=True),
    precision="int8",
    lowering="concat",
    head="encoder",
    dataset="mine",
    architecture={"schema": 1},
)


def test_round_trip() -> None:
    assert Description.from_metadata("file", DESCRIPTION.metadata()) == DESCRIPTION
    other = replace(
        DESCRIPTION, dynamic=False, precision="fp32", interface=Interface(resize=True), scale=2.0, offset=1.0
    )
    other = replace(other, image_bits=12)
    assert Description.from_metadata("file", other.metadata()) == other


def test_an_earlier_file_says_32_of_its_precision() -> None:
    metadata = replace(DESCRIPTION, precision="fp32").metadata()
    assert metadata["precision"] == '"fp32"'
    assert Description.from_metadata("file", {**metadata, "precision": '"32"'}).precision == "fp32"


def test_the_normalisation_is_that_of_training() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    torch.testing.assert_close(pixels.float() * SCALE + OFFSET, normalise(pixels))


@pytest.mark.parametrize("metadata", [{}, {"format": "other"}, {"classes": "[]"}])
def test_a_file_of_something_else(metadata: dict[str, str]) -> None:
    with pytest.raises(InputError, match="file.onnx: does not say that ssr-nas export wrote it"):
        Description.from_metadata("file.onnx", metadata)


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": []},
        {"colours": [[0, 0, 0]]},
        {"colours": [[0, 0, 0], [0, 0, 256]]},
        {"colours": [[0, 0], [0, 0]]},
        {"colours": [[0, 0, 0], [0, 0, float("inf")]]},
        {"classes": [str(i) for i in range(256)], "colours": [[0, 0, 0]] * 256},
        {"size": "big"},
        {"image_bits": 7},
        {"image_bits": "12"},
        {"size": "1x1"},
        {"dynamic": 1},
        {"argmax": "no"},
        {"normalisation": {}},
        {"normalisation": {"scale": float("nan"), "offset": 0}},
        {"normalisation": {"scale": 10**400, "offset": 0}},
        {"architecture": []},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_damaged_description(changes: dict[str, object]) -> None:
    metadata = DESCRIPTION.metadata() | {key: json.dumps(value) for key, value in changes.items()}
    with pytest.raises(InputError, match="file.onnx: what it says of itself is damaged") as error:
        Description.from_metadata("file.onnx", metadata)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("key", [key for key in DESCRIPTION.metadata() if key != "format"])
def test_a_missing_or_broken_part(key: str) -> None:
    for text in (None, "{"):
        metadata = {name: value for name, value in DESCRIPTION.metadata().items() if name != key} | (
            {} if text is None else {key: text}
        )
        with pytest.raises(InputError, match="is damaged"):
            Description.from_metadata("file.onnx", metadata)
