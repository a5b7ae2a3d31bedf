"""Bad input to ``ssr-nas search``: one line that names the culprit, exit code 2, nothing written."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.cli import main
from nas_space.architecture import baseline1
from nas_space.config import SpaceConfig
from strategies.registry import OF_SSR


def camvid_tree(root: Path) -> Path:
    """A tiny valid CamVid folder: two images a split, 40x48 pixels."""
    for split in ("train", "val"):
        (root / split).mkdir(parents=True)
        (root / f"{split}annot").mkdir()
        for i in range(2):
            cv2.imwrite(str(root / split / f"{i}.png"), np.full((40, 48, 3), 40 * i, np.uint8))
            cv2.imwrite(str(root / f"{split}annot" / f"{i}.png"), np.full((40, 48), i, np.uint8))
    return root


def fails(capsys: pytest.CaptureFixture[str], out: Path, *arguments: str) -> str:
    """Run, expect a refusal in one line, beside notes on the data, and no run folder; return the line."""
    assert main(["search", *arguments, "--out", str(out)]) == 2
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1 and lines[0].startswith("ssr-nas search: error:")
    assert not out.exists()
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--data.name", "camvid", "--data.root", "/no/such/folder"], "/no/such/folder"),
        (["--no_such_key", "1"], "no_such_key"),
        (["--epochs", "soon"], "epochs"),
        (["--epochs", "0"], "epochs"),
        (["--strategy", "magic"], "magic"),
        (["--space.preset", "huge"], "huge"),
        (["--space.search", "dilation,colour"], "colour"),
        (["--space.widths", "[30, 64]"], "30 is no multiple of space.step 4"),
        (["--space.span", "10"], "10 is no multiple of space.step 4"),
        (["--space.depths", "[[1, 2]]"], "depths"),
        (["--method.lr", "-1"], "method.lr"),
        (["--method.lr", "nan"], "method.lr"),
        (["--method.arch_split", "1.5"], "method.arch_split"),
        (["--data.size", "20x20"], "20x20"),
        (["--data.limit", "0"], "data.limit"),
        *(
            (["--strategy", strategy, f"--method.{option}", "true"], f"method.{option}: {strategy} does not {what}")
            for strategy in ("darts", "progressive", "pdarts-ssr", "sgas-ssr", "nni-darts", "random")
            for option, what in OF_SSR.items()
        ),
        (["--data.root", "garden"], "data.root"),
        (["--space.widths", "[4092, 4096]", "--space.depths", "[[4000], [4096]]"], "parameters take"),
        (["--space.dilations", str(list(range(1, 4097))), "--space.depths", "[[4000], [4096]]"], "are too many"),
        (
            ["--strategy", "random", "--space.widths", "[4092, 4096]", "--space.depths", "[[4000], [4096]]"],
            "GB of memory",
        ),
    ],
)
def test_options(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], culprit: str) -> None:
    assert culprit in fails(capsys, tmp_path / "run", *arguments)


def test_an_architecture_too_large_to_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = baseline1(SpaceConfig(16, (4092, 4096), ((4096,), (4096,)), (1,), (1,), 0, 1))
    (tmp_path / "huge.json").write_text(network.to_json())
    assert main(["retrain", "--arch", str(tmp_path / "huge.json"), "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "huge.json: 823,963,719,077 parameters take 13,183.6 GB of memory" in line
    assert not (tmp_path / "run").exists()


def test_a_label_value_out_of_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = camvid_tree(tmp_path / "data")
    cv2.imwrite(str(root / "trainannot" / "1.png"), np.full((40, 48), 77, np.uint8))
    line = fails(capsys, tmp_path / "run", "--data.name", "camvid", "--data.root", str(root), "--data.size", "32x32")
    assert "1.png" in line and "77" in line


def test_image_and_label_of_different_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = camvid_tree(tmp_path / "data")
    cv2.imwrite(str(root / "valannot" / "0.png"), np.zeros((40, 47), np.uint8))
    line = fails(capsys, tmp_path / "run", "--data.name", "camvid", "--data.root", str(root), "--data.size", "32x32")
    assert "0.png" in line and "47" in line and "48" in line


def test_an_unknown_key_in_a_file_is_named_with_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mine.yml"
    config.write_text("epochs: 1\nmethod: {rhoo: 1}\n")
    line = fails(capsys, tmp_path / "run", "--config", str(config))
    assert "mine.yml" in line and "rhoo" in line


def test_an_existing_run_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert main(["search", "--data.size", "32x32", "--data.limit", "2", "--out", str(out)]) == 2
    assert str(out) in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_resume_of_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--resume", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_loss_that_is_not_finite_ends_the_search_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--epochs", "3", "--device", "cpu"]
    assert main(["search", *arguments, "--train.lr", "1e30", "--out", str(tmp_path / "run")]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "train.lr" in line and "loss became" in line


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--seed", "-1"], "seed: -1"),
        (["--data.limit", "1", "--data.size", "32x32", "--method.arch_split", "0.5"], "method.arch_split"),
        (["--method.warmup", "0.5", "--method.explore", "0.5"], "method.warmup + method.explore"),
        (["--method.ramp", "0.8"], "method.ramp: 0.8 after warmup and explore ends at 1.35"),
        (["--space.depths", "[[1, 2], [100000000]]"], "100000000"),
    ],
)
def test_more_options(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], culprit: str) -> None:
    assert culprit in fails(capsys, tmp_path / "run", *arguments)


def test_resume_takes_no_other_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--resume", str(tmp_path / "run"), "--epochs", "5"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("ssr-nas search: error:") and "leave out --epochs" in line and "run/config.yml" in line
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_without_labelled_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = camvid_tree(tmp_path / "data")
    for path in (root / "trainannot").iterdir():
        cv2.imwrite(str(path), np.full((40, 48), 11, np.uint8))
    line = fails(capsys, tmp_path / "run", "--data.name", "camvid", "--data.root", str(root), "--data.size", "32x32")
    assert "labelled pixel" in line


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_data_set_whose_labelled_pixels_are_between_those_that_a_search_sees(
    split: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = camvid_tree(tmp_path / "data")
    for path in (root / f"{split}annot").iterdir():
        label = np.full((32, 32), 11, np.uint8)
        label[::8, ::8] = 0
        cv2.imwrite(str(path), label)
        cv2.imwrite(str(root / split / path.name), np.zeros((32, 32, 3), np.uint8))
    line = fails(capsys, tmp_path / "run", "--data.name", "camvid", "--data.root", str(root), "--data.size", "32x32")
    assert (
        f"data.size: no {'training' if split == 'train' else 'validation'} image of camvid has a labelled pixel" in line
    )


def test_a_folder_without_write_permission(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import experiments.commands.search as command

    def refuse(folder: Path, options: object) -> None:
        raise PermissionError(13, "Permission denied", str(folder / "config.yml"))

    monkeypatch.setattr(command, "write_config", refuse)
    arguments = [
        "--data.size",
        "32x32",
        "--data.limit",
        "4",
        "--data.batch",
        "2",
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(["search", *arguments]) == 2
    assert "config.yml: Permission denied" in capsys.readouterr().err
