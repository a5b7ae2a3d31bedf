"""Whatever is uploaded, the service answers: with a result, or with a fault of the client, never one of ours."""

from typing import Any

import numpy as np
import pytest
import seeds
from fuzzing import budget, change, damaged_images, limits
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.examples.limits import Limits
from experiments.runtime.segmentation import Segmentation

HEAD = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
TOKENS = (
    b"\r\n",
    b"--x",
    b"--x--",
    b'"',
    b";",
    b"name=",
    b"filename*=utf-8''%ff",
    b"\0",
    b"Content-Type: ",
    b"image/jpeg",
    b":",
)
TYPES = (b"multipart/form-data; boundary=x", b"image/png", b"application/json")
KINDS = ("classes", "colours", "overlay", "shares", "x", "")


class FakeSegmenter:
    """Every pixel is of class 1."""

    class description:  # noqa: N801
        classes, colours, dataset, precision = ("a", "b"), ((255, 0, 0), (0, 0, 255)), "mine", "fp32"
        image_bits = None

    engine, size = "fake", (48, 64)

    def __call__(self, image: Any) -> Segmentation:
        return Segmentation(np.ones(image.shape[:2], np.uint8), ("a", "b"), ((255, 0, 0), (0, 0, 255)), image)


@pytest.fixture(scope="module")
def client() -> Any:
    from fastapi.testclient import TestClient

    from experiments.examples import serve

    bounds = Limits(most_bytes=20_000, most_pixels=2_500, concurrency=2, patience_s=60, body_s=60)
    with TestClient(serve.create_app(FakeSegmenter(), bounds)) as client:  # type: ignore[arg-type]
        yield client


@budget(120)
@given(data=damaged_images(seeds.pictures()), kind=st.sampled_from(KINDS))
def test_a_damaged_upload_is_answered(client: Any, data: bytes, kind: str) -> None:
    with limits():
        answer = client.post(f"/segment?output={kind}", files={"image": ("x.png", data, "image/png")})
    assert answer.status_code in (200, 413, 422) and (answer.status_code == 200 or answer.json()["detail"])


OPS = st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1)), max_size=6)


@pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning")  # Starlette's own
@budget(120)
@given(place=st.sampled_from(("body", "type")), kind=st.sampled_from(TYPES), ops=OPS)
@example(place="type", kind=b"multipart/form-data", ops=[])
def test_a_damaged_form_is_answered(client: Any, place: str, kind: bytes, ops: Any) -> None:
    body, header = HEAD + seeds.pictures()[0] + b"\r\n--x--\r\n", kind
    if place == "body":
        body = change(body, ops, TOKENS)
    else:
        header = bytes(byte for byte in change(kind, ops, TOKENS) if 32 <= byte < 127)
    with limits():
        answer = client.post("/segment", content=body, headers={b"content-type": header.strip()})
    assert answer.status_code in (200, 400, 413, 415, 422)
