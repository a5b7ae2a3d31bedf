"""The report of a training, from files as a training leaves them."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from experiments.report.captions import CAPTIONS
from experiments.report.retrain_page import write_retrain_report
from experiments.runs.files import write_json
from experiments.runs.folder import write_metrics
from nas_space.architecture import baseline1, baseline2
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

SUMMARY = {
    "seed": 3,
    "dataset": "streets",
    "peer": None,
    "head": "aggregation",
    "epochs": 2,
    "miou": 0.494,
    "per_class": {"road": 0.9, "<sky>": None},
    "best": {"epoch": 1, "miou": 0.501},
    "resolution": "96x128",
    "cost": {"params": 80123, "macs_total": 2.1e7, "size": "96x128"},
    "minutes": 1.5,
    "versions": {"torch": "2.14.1"},
    "device": "cpu",
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_json(tmp_path / "retrain.json", SUMMARY)
    losses = [{"epoch": i, "stage": "encoder", "loss_w": 1 / i, "miou": 0.1 * i, "val_loss": 1.0} for i in (1, 2)]
    write_metrics(tmp_path, losses)
    (tmp_path / "architecture.json").write_text(baseline2(SpaceConfig.compact()).to_json())
    (tmp_path / "config.yml").write_text("arch: baseline2@20ms\n")
    return tmp_path


def test_the_network_stands_beside_baseline1(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(run / "speed.json", {"found_ms": 2.0, "baseline_ms": 4.0, "source": "measured now", "warning": None})
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    text = (run / "report.html").read_text()
    assert "baseline2@20ms on streets, seed 3" in text and "<td>baseline1</td>" in text
    assert "mIoU 49.4 % on the validation images, labels at 96x128, after 2 epochs in 90 seconds" in text
    assert "The best epoch, 1, had 50.1 %" in text and f"figures --checkpoint {run}\n" in f"{text}\n".replace("<", "\n")
    assert "baseline2@20ms is counted with the aggregation head. In a search it has the encoder head: " in text
    assert "<td>road</td><td>90.0</td>" in text and "<td>&lt;sky&gt;</td><td>-</td>" in text
    assert "<td>2.00</td><td>500</td><td>49.4</td>" in text and "<td>4.00</td><td>250</td><td>-</td>" in text
    assert text.count("<figcaption>") == 2 and CAPTIONS["training"] in text and "<details>" in text
    assert (run / "figures" / "training.png").read_bytes().startswith(b"\x89PNG")


def test_who_has_trained_on_photos_is_sent_to_predict(run: Path) -> None:
    write_json(run / "retrain.json", {**SUMMARY, "dataset": "folder"})
    assert f"predict --checkpoint {run} IMAGE" in write_retrain_report(run).read_text()


def test_a_scaled_baseline1_does_not_stand_beside_itself(run: Path) -> None:
    (run / "config.yml").write_text("arch: baseline1@2G\n")
    (run / "architecture.json").write_text(baseline1(SpaceConfig.compact()).to_json())
    page = write_retrain_report(run).read_text()
    assert "<td>baseline1@2G</td>" in page and "<td>baseline1</td>" not in page


def test_a_training_that_diverged_has_a_page(run: Path) -> None:
    write_json(run / "retrain.json", SUMMARY | {"miou": None})
    assert "it diverged" in write_retrain_report(run).read_text()


def test_a_configuration_in_no_text_is_named(run: Path) -> None:
    (run / "config.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"config\.yml: cannot be read \(no UTF-8"):
        write_retrain_report(run)


def test_a_peer_has_no_baseline(run: Path) -> None:
    (run / "architecture.json").unlink()
    cost: dict[str, Any] = {"params": 1e6, "macs_total": None, "size": "96x128"}
    write_json(run / "retrain.json", {**SUMMARY, "peer": "erfnet", "head": None, "cost": cost})
    text = write_retrain_report(run).read_text()
    assert "erfnet on streets" in text and "baseline1" not in text and "MACs" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"miou": "x"},
        {"best": 3},
        {"per_class": {"road": "x"}},
        {"cost": {"params": [], "size": "96x128"}},
        {"cost": {"params": 1, "size": "large"}},
        {"minutes": None},
    ],
)
def test_a_damaged_summary_is_named(run: Path, change: dict[str, Any]) -> None:
    write_json(run / "retrain.json", {**SUMMARY, **change})
    with pytest.raises(InputError, match="retrain.json: is damaged"):
        write_retrain_report(run)
    assert not (run / "report.html").exists()


def test_a_missing_key_is_named(run: Path) -> None:
    (run / "retrain.json").write_text(json.dumps({"miou": 0.5}))
    with pytest.raises(InputError, match="retrain.json: best is missing"):
        write_retrain_report(run)
