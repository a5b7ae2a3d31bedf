"""``ssr-nas predict``: everything that can be done is done, everything else is told in one line."""

import json
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest

from experiments.cli import main

Checkpoint = Callable[..., Path]


def write_image(path: Path, size: tuple[int, int] = (40, 60)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, content)[1].tobytes())
    return path


def write_film(path: Path, frames: int = 4) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 60 * i, np.uint8))
    writer.release()
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, dict[str, Any]]:
    assert main(["predict", *arguments, "--device", "cpu", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    *text, last = captured.out.splitlines()
    return "\n".join(text), json.loads(last)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["predict", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err.removeprefix("ssr-nas predict: error: ").rstrip()


def test_a_folder_and_a_film(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ticks = count()  # on this clock it is a second later whenever somebody looks
    for module in ("commands.predict", "runs.measure"):
        monkeypatch.setattr(f"experiments.{module}.time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    write_image(tmp_path / "in" / "a.png")
    write_image(tmp_path / "in" / "deep" / "b.jpg", (30, 20))
    film = write_film(tmp_path / "drive.avi")
    out = tmp_path / "out"
    text, result = answer(capsys, "--checkpoint", str(checkpoint()), str(tmp_path / "in"), str(film), "--out", str(out))
    written = sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name != ".lock"
    )
    pictures = [f"{kind}/{name}.png" for kind in ("colour", "index", "overlay") for name in ("a", "deep/b")]
    assert written == sorted([*pictures, "overlay/drive.mp4", "predictions.json"])
    assert [image["size"] for image in result["images"]] == ["40x60", "30x20"] and result["films"][0]["frames"] == 4
    # Six images, each looked at before and after the network, between a first and a last look.
    assert result["fps"] == {"pipeline": 6 / 13, "network": 1.0} and result["failed"] == []
    assert result["eval"] == {"size": "32x40", "scales": [1.0], "flip": False}
    assert json.loads((out / "predictions.json").read_text()) == result
    assert "2 images and 1 film predicted (4 frames)" in text and "the network alone" in text and str(out) in text


def test_what_fails_is_told_and_the_rest_is_done(
    tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    good = [write_image(folder / "a.png"), write_image(folder / "z.png")]
    write_image(folder / "cut.jpg").write_bytes(good[0].read_bytes()[:500])
    (folder / "empty.png").write_bytes(b"")
    (folder / "lost.png").symlink_to(tmp_path / "gone.png")
    (folder / "broken.mp4").write_bytes(b"no film")
    write_film(folder / "zero.avi", frames=0)
    missing = str(tmp_path / "missing.png")
    out = tmp_path / "out"
    assert main(["predict", "--checkpoint", str(checkpoint()), missing, str(folder), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 7 and all(line.startswith("ssr-nas predict: ") for line in lines)
    for name, line in zip(
        ("missing.png", "broken.mp4", "cut.jpg", "empty.png", "lost.png", "zero.avi"), lines, strict=False
    ):
        assert name in line
    assert lines[-1] == f"ssr-nas predict: error: 6 of 8 inputs failed, as told above; the others are in {out}"
    assert "2 images predicted" in captured.out
    summary = json.loads((out / "predictions.json").read_text())
    assert [image["name"] for image in summary["images"]] == ["a", "z"] and len(summary["failed"]) == 6
    assert sorted(path.name for path in (out / "overlay").iterdir()) == ["a.png", "z.png"]


def test_names_of_all_kinds(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, odd = (
        checkpoint(),
        [Path(name) for name in ("\U0001f600.png", "a, b: c #2.png", os.fsdecode(b"caf\xe9.png"))],
    )
    long = tmp_path / ("a" + "日" * 70 + ".mp4")
    monkeypatch.chdir(tmp_path)
    for path in odd:
        Path("a.png").write_bytes(cv2.imencode(".png", np.zeros((40, 60, 3), np.uint8))[1].tobytes())
        Path("a.png").rename(path)
    write_film(tmp_path / "a.avi").rename(long)
    _, result = answer(capsys, "--checkpoint", str(model), *map(str, odd), str(long), "--out", "out")
    assert [image["name"] for image in result["images"]] == ["\U0001f600", "a, b: c #2", "caf_"]
    assert {path.stem for path in Path("out/overlay").iterdir()} == {
        "\U0001f600",
        "a, b: c #2",
        "caf_",
        "a" + "日" * 59,
    }


def test_a_film_that_cannot_be_written_is_told_and_the_rest_is_done(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image, film, out = write_image(tmp_path / "a.png"), write_film(tmp_path / "drive.avi"), tmp_path / "out"
    monkeypatch.setattr("experiments.prediction.film_writer.LARGEST", 8)
    assert main(["predict", "--checkpoint", str(checkpoint()), str(film), str(image), "--out", str(out)]) == 2
    assert "drive.mp4: frames of " in capsys.readouterr().err.splitlines()[0]
    summary = json.loads((out / "predictions.json").read_text())
    assert len(summary["images"]) == 1 and len(summary["failed"]) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_image(tmp_path / "a.png")
    path.chmod(0)
    assert main(["predict", "--checkpoint", str(checkpoint()), str(path), "--out", str(tmp_path / "out")]) == 2
    assert "a.png: cannot be read (Permission denied)" in capsys.readouterr().err


def test_nothing_is_overwritten(tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    image, folder = str(write_image(tmp_path / "a.png")), str(checkpoint())
    (tmp_path / "out").mkdir()
    answer(capsys, "--checkpoint", folder, image, "--out", str(tmp_path / "out"))
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert "holds files already" in refusal(capsys, "--checkpoint", folder, image, "--out", str(tmp_path / "out"))
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert "cannot be made" in refusal(capsys, "--checkpoint", folder, image, "--out", image)


def test_options_of_evaluation_hold_here_too(
    tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(write_image(tmp_path / "a.png"))
    options = ["--eval.size", "64x96", "--eval.scales", "0.5,1", "--eval.flip", "true", "--out", str(tmp_path / "out")]
    text, result = answer(capsys, "--checkpoint", str(checkpoint()), image, *options)
    assert (
        "64x96, scales 0.5, 1, flipped too" in text
        and "images a second" not in text
        and result["eval"]["scales"] == [0.5, 1.0]
    )


@pytest.mark.parametrize("stages", [3, 4])
def test_networks_of_more_stages(
    stages: int, tmp_path: Path, checkpoint: Checkpoint, deep: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    image, run = str(write_image(tmp_path / "a.png")), str(checkpoint(space=deep(stages), size=(64, 72)))
    _, result = answer(capsys, "--checkpoint", run, image, "--out", str(tmp_path / "out"))
    assert [one["size"] for one in result["images"]] == ["40x60"]
    if stages == 4:
        message = refusal(capsys, "--checkpoint", run, image, "--eval.size", "64x96", "--eval.scales", "0.5,1")
        assert message == "eval.size: 32x48: both sides must be at least 64 pixels for 4 stages"


def test_the_default_folder_is_a_run(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image, folder = str(write_image(tmp_path / "a.png")), str(checkpoint())
    monkeypatch.chdir(tmp_path)
    _, result = answer(capsys, "--checkpoint", folder, image)
    assert result["out"].startswith("runs/predict-") and (tmp_path / result["out"] / "overlay" / "a.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ([], "give images, films or folders, or --camera 0"),
        (["x.png", "--camera", "0"], "not both"),
        (["--camera", "-1"], "camera: -1 must be at least 0"),
        (["--camera", "97"], "camera 97: there is none"),
        (["--camera", "9" * 30], "at most"),
        (["x.png", "--frames", "0"], "frames: 0 must be at least 1"),
        (["x.png"], "x.png: no such file"),
        (["x.png", "y.png"], "x.png: no such file; y.png: no such file"),
        (["."], ".: holds no image"),
        (["x.png", "--eval.size", "1x1"], "at least 32"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str],
    culprit: str,
    tmp_path: Path,
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = str(checkpoint())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert culprit in refusal(capsys, "--checkpoint", folder, *arguments)
    assert not list((tmp_path / "here").iterdir())


def test_a_network_of_nonsense_ends_it(
    tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint() / "model.safetensors"
    path.write_bytes(b"\xff" * 50)
    assert "damaged" in refusal(capsys, "--checkpoint", str(path), str(tmp_path))


def test_bits_of_a_lone_image_are_told_once(
    tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.arange(1200, dtype=np.uint16).reshape(40, 30))
    images = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    for bits, told, kept in ((None, 1, 12), (14, 0, None)):
        network = str(checkpoint(f"run{bits}", image_bits=bits))
        assert main(["predict", "--checkpoint", network, *images, "--out", str(tmp_path / f"out{bits}")]) == 0
        assert capsys.readouterr().err.count("read as an image of 12 bits") == told
        rows = json.loads((tmp_path / f"out{bits}" / "predictions.json").read_text())["images"]
        assert [row.get("assumed_bits") for row in rows] == [kept, kept]


def test_two_cameras_in_one_film_and_two_films_in_one_file_are_told(
    tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        streams: list[Any] = [container.add_stream("mpeg4", 10) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
            container.mux(stream.encode(None))
    path.write_bytes(2 * path.read_bytes())
    assert main(["predict", "--checkpoint", str(checkpoint()), str(path), "--out", str(tmp_path / "out")]) == 2
    first, second, _ = capsys.readouterr().err.splitlines()
    assert first == f"{path}: holds 2 picture streams; only number 1 (48x64) is read"
    assert second.startswith(f"ssr-nas predict: {path}: holds a second film behind the first, which is not read")
