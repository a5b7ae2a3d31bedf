"""``ssr-nas evaluate``: what retraining reports, what scikit-learn says, and what is refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sklearn.metrics import jaccard_score
from torch.nn.functional import interpolate

from experiments.cli import main
from experiments.data import load
from experiments.model_file import load_model
from experiments.options.groups import DataOptions

SMALL = ["--data.limit", "6", "--device", "cpu"]
Checkpoint = Callable[..., Path]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, dict[str, Any]]:
    """What is printed for people, and what ``--json`` prints on the last line."""
    assert main(["evaluate", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    *text, last = captured.out.splitlines()
    return "\n".join(text), json.loads(last)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["evaluate", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err.removeprefix("ssr-nas evaluate: error: ").rstrip()


def write_camvid(root: Path, sizes: list[tuple[int, int]]) -> None:
    """A small tree in CamVid's layout, an image of each size in both splits."""
    import cv2

    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for folder in (split, f"{split}annot"):
            (root / folder).mkdir(parents=True)
        for i, size in enumerate(sizes):
            cv2.imwrite(str(root / split / f"{i}.png"), rng.integers(0, 256, (*size, 3), dtype=np.uint8))
            cv2.imwrite(str(root / f"{split}annot" / f"{i}.png"), rng.integers(0, 12, size, dtype=np.uint8))


def test_it_gives_what_retraining_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    data = ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "4"]
    assert main(["retrain", "--arch", "baseline1", "--epochs", "2", "--device", "cpu", *data, "--out", run]) == 0
    reported = json.loads((tmp_path / "run" / "retrain.json").read_text())
    capsys.readouterr()
    text, result = answer(capsys, "--checkpoint", run, "--split", "val", "--data.limit", "8")
    for key in ("miou", "pixel_accuracy", "per_class"):
        assert result[key] == pytest.approx(reported[key], abs=1e-4)
    assert (result["size"], result["resolution"], result["images"], result["dataset"]) == (
        "32x40",
        "32x40",
        8,
        "streets",
    )
    assert result["scales"] == [1.0] and result["flip"] is False and result["split"] == "val"
    assert f"mIoU {100 * result['miou']:.1f} %" in text and "pedestrian" in text and "boundary F1" in text


def test_scores_at_the_labels_own_resolution_equal_scikit_learn(
    tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another size than that of training, labels of another size again, every step written out."""
    folder = checkpoint()
    _, result = answer(capsys, "--checkpoint", str(folder), *SMALL, "--data.size", "50x70", "--eval.size", "50x70")
    assert (result["size"], result["resolution"]) == ("50x70", "50x70")
    network, _ = load_model(folder)
    val = load(DataOptions(size="50x70", limit=6)).val
    with torch.no_grad():
        logits = network((val.images / 255 - 0.5) / 0.25)
    guess = interpolate(logits, (50, 70), mode="bilinear", align_corners=False).argmax(1).flatten().numpy()
    truth = val.labels.flatten().numpy()
    occur = np.union1d(truth, guess)
    expected = jaccard_score(truth, guess, labels=occur, average=None)
    iou = list(result["per_class"].values())
    assert [iou[i] for i in occur] == pytest.approx(expected.tolist(), abs=1e-4)
    assert all(iou[i] is None for i in range(9) if i not in occur)
    assert result["miou"] == pytest.approx(expected.mean(), abs=1e-4)


def test_labels_of_any_size_and_the_run_knows_where_they_are(
    tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.data.sets.camvid import CLASSES, COLOURS

    root = tmp_path / "images"
    write_camvid(root, [(40, 60), (61, 33)])
    folder = checkpoint(classes=CLASSES, colours=COLOURS, dataset="camvid")
    (folder / "config.yml").write_text(yaml.safe_dump({"data": {"name": "camvid", "root": str(root), "limit": 1}}))
    text, result = answer(capsys, "--checkpoint", str(folder / "model.safetensors"))
    assert result["images"] == 2 and result["resolution"] == "61x33 to 40x60" and result["size"] == "32x40"
    assert "2 images, scored at 61x33 to 40x60, network at 32x40" in text
    _, same = answer(capsys, "--checkpoint", str(folder), "--data.name", "camvid", "--data.root", str(root))
    assert same["per_class"] == result["per_class"]


def test_scales_and_flip_change_the_scores_and_are_named(
    checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(checkpoint())
    _, plain = answer(capsys, "--checkpoint", folder, *SMALL)
    text, result = answer(capsys, "--checkpoint", folder, *SMALL, "--eval.scales", "1,1.5", "--eval.flip", "true")
    assert result["scales"] == [1.0, 1.5] and result["flip"] is True and "32x40, scales 1, 1.5, flipped too" in text
    assert result["miou"] != plain["miou"]
    _, again = answer(capsys, "--checkpoint", folder, *SMALL)
    assert {**again, "seconds": 0} == {**plain, "seconds": 0}


def test_scores_go_to_a_new_file(tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "scores.json"
    folder = str(checkpoint())
    _, result = answer(capsys, "--checkpoint", folder, *SMALL, "--out", str(out))
    assert json.loads(out.read_text()) == result
    assert sorted(out.parent.iterdir()) == [out, out.with_suffix(".png")]
    assert (
        refusal(capsys, "--checkpoint", folder, "--out", str(out))
        == f"--out {out}: exists already; choose another --out"
    )
    assert "its folder cannot be made" in refusal(capsys, "--checkpoint", folder, "--out", str(out / "x.json"))


def test_scores_that_could_not_be_written_are_not_computed(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write into a folder whatever its mode
    out = tmp_path / "new" / "scores.json"
    message = refusal(capsys, "--checkpoint", str(checkpoint()), *SMALL, "--out", str(out))
    assert message == f"--out {out}: no file can be made in {tmp_path}; make it writable, or choose another --out"


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--split", "holidays"], "split: streets has no 'holidays'; choose from train, val"),
        (["--data.name", "mars"], "data.name: unknown 'mars'"),
        (["--data.name", "camvid", "--data.root", "/nowhere"], "/nowhere"),
        (["--eval.size", "8x8"], "at least 32"),
        (["--eval.scales", "0.1"], "eval.scales"),
        (["--eval.scales", "big"], "--eval.scales: expected a list such as 0.75,1,1.25, got big"),
        (["--device", "tpu"], "tpu"),
        (["--data.limit", "0"], "data.limit"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], culprit: str, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert culprit in refusal(capsys, "--checkpoint", str(checkpoint()), *arguments)


def test_classes_that_do_not_fit(tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "images"
    write_camvid(root, [(40, 60)])
    text = refusal(capsys, "--checkpoint", str(checkpoint("a")), "--data.name", "camvid", "--data.root", str(root))
    assert "a: it has 9 classes, camvid has 11; give the data that it was trained for" in text
    from experiments.data.streets.palette import CLASSES

    swapped = checkpoint("b", classes=(CLASSES[1], CLASSES[0], *CLASSES[2:]))
    assert "its class 0 is 'building', that of streets is 'sky'" in refusal(capsys, "--checkpoint", str(swapped))


def test_a_network_of_a_data_set_that_is_not_known(checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown 'venus'" in refusal(capsys, "--checkpoint", str(checkpoint(dataset="venus")))


def test_a_checkpoint_that_cannot_be_used(
    tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no such file" in refusal(capsys, "--checkpoint", str(tmp_path))
    path = checkpoint() / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in refusal(capsys, "--checkpoint", str(path))
    assert refusal(capsys).startswith("--checkpoint is required; for example: ssr-nas evaluate --checkpoint")
