"""The example service: what it answers, and what it does not take."""

import json
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from experiments.examples import serve
from experiments.examples.limits import Limits
from experiments.runtime.segmentation import Segmentation
from nas_space.errors import InputError

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
JPEG, PNG = (cv2.imencode(kind, IMAGE)[1].tobytes() for kind in (".jpg", ".png"))
LIMITS = Limits(most_bytes=20_000, most_pixels=2_500, concurrency=2, patience_s=60, body_s=60)


class FakeSegmenter:
    """The left half is class 0, the right half class 1."""

    class description:  # noqa: N801
        classes, colours, dataset, precision = ("a", "b"), ((255, 0, 0), (0, 0, 255)), "mine", "fp32"
        image_bits = None

    engine, size = "fake", (48, 64)

    def __call__(self, image: Any) -> Segmentation:
        classes = np.zeros(image.shape[:2], np.uint8)
        classes[:, image.shape[1] // 2 :] = 1
        return Segmentation(classes, self.description.classes, self.description.colours, image)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(serve.create_app(FakeSegmenter(), LIMITS)) as client:  # type: ignore[arg-type]
        yield client


def upload(client: TestClient, data: bytes, kind: str = "image/png", field: str = "image", query: str = "") -> Any:
    return client.post(f"/segment{query}", files={field: ("x.png", data, kind)})


def decoded(response: Any) -> np.ndarray:
    assert response.status_code == 200 and response.headers["content-type"] == "image/png"
    picture = cv2.imdecode(np.frombuffer(response.content, np.uint8), cv2.IMREAD_UNCHANGED)
    return picture if picture.ndim == 2 else picture[..., ::-1]


def test_what_comes_back(client: TestClient) -> None:
    for data, kind in ((PNG, "image/png"), (JPEG, "image/jpeg")):
        colours = decoded(upload(client, data, kind))
        assert (
            colours.shape == (40, 50, 3)
            and colours[0, 0].tolist() == [255, 0, 0]
            and colours[0, -1].tolist() == [0, 0, 255]
        )
    classes = decoded(upload(client, PNG, query="?output=classes"))
    assert classes.tolist() == [[0] * 25 + [1] * 25] * 40
    overlay = decoded(upload(client, PNG, query="?output=overlay"))
    assert overlay[0, 0].tolist() == [int((int(IMAGE[0, 0, 2 - i]) + (255, 0, 0)[i]) / 2 + 0.5) for i in range(3)]
    assert upload(client, PNG, query="?output=shares").json() == {"a": 0.5, "b": 0.5}
    about = client.get("/").json()
    assert about["classes"] == ["a", "b"] and about["size"] == [48, 64] and about["engine"] == "fake"


@pytest.mark.parametrize(
    "image",
    [np.dstack((IMAGE, IMAGE[..., :1])), IMAGE[..., 0], IMAGE.astype(np.uint16) * 257],
    ids=["alpha", "grey", "16 bit"],
)
def test_unusual_images(image: np.ndarray, client: TestClient) -> None:
    assert decoded(upload(client, cv2.imencode(".png", image)[1].tobytes())).shape == (40, 50, 3)


def bomb() -> bytes:
    """A valid PNG of few bytes and many pixels."""
    return cv2.imencode(".png", np.zeros((3000, 3000), np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("data", "kind", "status", "words"),
    [
        (b"", "image/png", 422, "not a JPEG or PNG"),
        (b"\0", "image/png", 422, "not a JPEG or PNG"),
        (b"just some text", "image/png", 422, "not a JPEG or PNG"),
        (JPEG[: len(JPEG) // 2], "image/jpeg", 422, "truncated"),
        (PNG[: len(PNG) // 2], "image/png", 422, "truncated"),
        (bomb(), "image/png", 422, "3000x3000 pixels are too many"),
        (PNG, "text/plain", 415, "send it as image/jpeg or image/png"),
        (PNG, "image/svg+xml", 415, "send it as image/jpeg or image/png"),
        (PNG + bytes(30_000), "image/png", 413, "at most 20000 bytes"),
    ],
    ids=["empty", "zero", "text", "half a jpeg", "half a png", "bomb", "text type", "svg type", "long"],
)
def test_malformed_uploads(data: bytes, kind: str, status: int, words: str, client: TestClient) -> None:
    assert len(bomb()) < LIMITS.most_bytes
    response = upload(client, data, kind)
    assert response.status_code == status and words in response.json()["detail"]
    assert upload(client, PNG).status_code == 200  # and it goes on


def test_a_request_that_is_no_upload(client: TestClient) -> None:
    assert upload(client, PNG, field="picture").status_code == 422
    assert client.post("/segment").status_code == 422
    assert client.post("/segment", data={"image": "text"}).status_code == 422
    assert client.post("/segment", content=PNG, headers={"content-type": "image/png"}).status_code == 422
    assert client.post(
        "/segment", content=b"--x", headers={"content-type": "multipart/form-data; boundary=y"}
    ).status_code in (400, 422)
    assert client.post("/segment", content=b"x", headers={"content-type": "multipart/form-data"}).status_code in (
        400,
        422,
    )
    assert upload(client, PNG, query="?output=everything").status_code == 422
    assert client.get("/segment").status_code == 405


def test_loopback_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr("uvicorn.run", lambda app, **settings: served.update(settings))
    monkeypatch.setattr(serve, "Segmenter", lambda file, threads: FakeSegmenter())
    assert serve.main(["model.onnx"]) == 0
    assert served == {"host": "127.0.0.1", "port": 8000}


def test_a_model_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def missing(file: str, threads: int | None) -> None:
        raise InputError(f"{file}: no such file")

    monkeypatch.setattr(serve, "Segmenter", missing)
    assert serve.main(["model.onnx"]) == 2
    assert capsys.readouterr().err.endswith("error: model.onnx: no such file\n")


def test_the_answer_to_a_bad_image_names_no_file(client: TestClient) -> None:
    detail = json.dumps(upload(client, b"text").json())
    assert "x.png" not in detail and "/" not in detail


def test_the_answer_where_the_model_is_damaged_names_no_file() -> None:
    class Lying(FakeSegmenter):
        def __call__(self, image: Any) -> Any:
            raise InputError("/home/me/model.onnx: cannot run it")

    client = TestClient(serve.create_app(Lying(), LIMITS), raise_server_exceptions=False)  # type: ignore[arg-type]
    response = upload(client, PNG)
    assert response.status_code == 500 and "model.onnx" not in response.text


@pytest.mark.parametrize(
    ("key", "value"),
    [("port", "65536"), ("port", "-1"), ("concurrency", "0"), ("most-bytes", "-5"), ("most-pixels", "0")],
)
def test_limits_without_meaning(key: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        serve.main(["model.onnx", f"--{key}={value}"])
    assert f"error: argument --{key}: {value} must be at least" in capsys.readouterr().err
