"""A trial: NNI's parameters in, a metric an epoch and one at the end out, and the files of a run in NNI's folder."""

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import requests
from nni.runtime.trial_command_channel import TrialCommandChannel, set_default_trial_command_channel

from experiments.cli import main
from experiments.commands.trial import Options
from experiments.nni_manager.records import LEFT
from experiments.nni_manager.trial import (
    Manager,
    epoch_metric,
    final_metric,
    offer_curves,
    stopped_by_signal,
    with_parameters,
)
from experiments.options.groups import DataOptions
from experiments.runs.processes import Terminated
from experiments.search.monitor import SearchMonitor
from nas_space.architecture import Architecture, baseline2
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

SETTING = """
epochs: 4
device: cpu
data: {size: 32x32, limit: 8, batch: 4}
space: {stem: 4, widths: [8, 12], dilations: [1, 2], depths: [[1, 2], [1, 2]], span: 4, step: 4}
method: {lr: 0.5, h: 0.6}
"""


class Channel(TrialCommandChannel):
    """What NNI's manager would send and be told."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = dict(parameters)
        self.metrics: list[tuple[str, int, Any]] = []

    def receive_parameter(self) -> Any:
        return {"parameter_id": 7, "parameters": self.parameters}

    def send_metric(self, type: Any, parameter_id: Any, trial_job_id: Any, sequence: int, value: Any) -> None:
        assert parameter_id == 7
        self.metrics.append((type, sequence, json.loads(json.dumps(value, allow_nan=False))))

    def of(self, kind: str) -> list[tuple[int, Any]]:
        return [(sequence, value) for type, sequence, value in self.metrics if type == kind]


@pytest.fixture(autouse=True)
def no_channel() -> Iterator[None]:
    yield
    import nni.runtime.trial_command_channel as channels

    channels._channel = None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    output = tmp_path / "trials" / "aBcDe"
    output.mkdir(parents=True)
    (output / "trial.stderr").write_text("")  # NNI's own files lie there already
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(output))
    (tmp_path / "search.yml").write_text(SETTING)
    return output


def trial(folder: Path, **parameters: Any) -> tuple[int, Channel]:
    manager = Channel(parameters)
    set_default_trial_command_channel(manager)
    return main(["trial", "--config", str(folder.parents[1] / "search.yml")]), manager


def test_every_epoch_and_the_result_reach_the_manager(folder: Path) -> None:
    three_stages = {
        "space.widths": [8, 12, 16],
        "space.depths": [[1, 2], [1], [1, 2]],
        "space.span": [4, 0, 8],
    }
    given = {"strategy": "ssr", "seed": 3, "method.rho.width": 0.001, "space.search": ["depth", "width"]}
    code, manager = trial(folder, **given, **three_stages)
    assert code == 0
    intermediate, final = manager.of("PERIODICAL"), manager.of("FINAL")
    metrics = pd.read_csv(folder / "metrics.csv")
    assert [sequence for sequence, _ in intermediate] == [0, 1, 2, 3]
    assert [value["default"] for _, value in intermediate] == pytest.approx(metrics["miou"].tolist())
    assert {"default", "loss", "entropy", "alive", "expected_macs", "images_per_s"} <= set(intermediate[0][1])
    summary = json.loads((folder / "search.json").read_text())
    assert summary["seed"] == 3 and summary["space"]["search"] == ["width", "depth"]
    ((_, result),) = final
    assert result["default"] == summary["miou"]["derived"] and result["macs"] == summary["cost"]["macs_total"]
    assert result["params"] == summary["cost"]["params"] and "gap" in result
    assert (result["strategy"], result["seed"], result["searched"]) == ("ssr", 3, "width+depth")
    assert all(not isinstance(value, str) or len(value) < 24 for value in result.values())  # charts show every text
    left = json.loads((folder / LEFT).read_text())
    assert Architecture.from_json(left["architecture"]) == Architecture.load(folder / "architecture.json")
    assert left["data"].startswith(" --data.")
    assert list((folder / "tensorboard").glob("events.*"))


def test_a_trial_submitted_again_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = SearchMonitor.on_train_epoch_start

    def die(self: SearchMonitor, trainer: Any, module: Any) -> None:
        if trainer.current_epoch == 2:
            raise RuntimeError("killed")
        start(self, trainer, module)

    monkeypatch.setattr(SearchMonitor, "on_train_epoch_start", die)
    code, first = trial(folder, strategy="ssr")
    assert code == 1 and [sequence for sequence, _ in first.of("PERIODICAL")] == [0, 1] and not first.of("FINAL")
    monkeypatch.setattr(SearchMonitor, "on_train_epoch_start", start)
    code, second = trial(folder, strategy="ssr")
    assert code == 0 and [sequence for sequence, _ in second.of("PERIODICAL")] == [2, 3]
    whole = folder.parent / "whole"
    whole.mkdir()
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(whole))
    _, uninterrupted = trial(folder, strategy="ssr")
    without_speed = [
        [
            {key: value for key, value in metric.items() if key not in ("images_per_s", "seconds")}
            for _, _, metric in metrics
        ]
        for metrics in (first.metrics + second.metrics, uninterrupted.metrics)
    ]
    assert without_speed[0] == without_speed[1]


def test_a_finished_trial_submitted_again_tells_its_result_and_searches_no_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = trial(folder, strategy="ssr")
    monkeypatch.setattr("experiments.search.one_shot.Search.execute", lambda *_: pytest.fail("searched again"))
    code, second = trial(folder, strategy="ssr")
    assert code == 0 and not second.of("PERIODICAL") and second.of("FINAL") == first.of("FINAL")


def test_an_epoch_that_was_told_but_not_kept_is_told_once(folder: Path) -> None:
    row = {"miou": 0.5, "loss_w": 1.0, "entropy": 2.0, "alive_depth": 3, "expected_macs": 4.0, "seconds": 2.0}
    (folder / "metrics.csv").write_text("epoch,miou\n1,0.5\n2,0.5\n")  # metrics.csv is written before the checkpoint
    manager = Channel({})
    set_default_trial_command_channel(manager)
    report = Manager(folder).listen(folder, 8)
    for epoch in (2, 3):
        report({"epoch": epoch, **row})
    assert [sequence for sequence, _ in manager.of("PERIODICAL")] == [2]
    assert epoch_metric(row, 8)["images_per_s"] == 4.0


def test_a_loss_that_was_not_finite_leaves_the_result(folder: Path) -> None:
    summary = {
        "miou": {"derived": 0.5, "supernet": 0.6},
        "gap": {"loss_supernet": 1.0, "loss_derived": None},
        "cost": {"macs_total": 2.0, "params": 3.0},
        "discrete": True,
        "discrete_epoch": None,
        "entropy": {"final": 0.0},
        "time": {"total_s": 4.0},
    }
    summary |= {"strategy": "ssr", "seed": 1, "space": {"search": ["depth"]}}
    metric = final_metric(summary)
    assert metric["gap"] is None and metric["default"] == 0.5
    summary["miou"] |= {"derived_full": 0.4, "resolution": "4x5", "resolution_full": "32x40"}  # type: ignore[operator]
    named = final_metric(summary)
    assert (named["miou_full"], named["resolution"], named["resolution_full"]) == (0.4, "4x5", "32x40")


def test_an_entrant_of_a_race_tells_its_rounds_and_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[int, int]] = []

    def score(training: Any) -> Any:
        asked.append((training.options.epochs, training.options.seed))
        return SimpleNamespace(miou=0.1 * training.options.epochs + 0.02 * training.options.seed)

    def race_trial(*arguments: str, **parameters: Any) -> tuple[int, Channel]:
        manager = Channel(parameters)
        set_default_trial_command_channel(manager)
        return main(["race-trial", "--config", str(folder.parents[1] / "race.yml"), *arguments]), manager

    monkeypatch.setattr("experiments.race.alone.train_and_score", score)
    data = "data: {size: 32x40, limit: 8, batch: 4}"
    (folder.parents[1] / "race.yml").write_text(f"rounds: 2\nepochs: 1\ndevice: cpu\n{data}\n")
    code, manager = race_trial(entrants="baseline2")
    assert code == 0 and asked == [(1, 0), (1, 1), (2, 0), (2, 1)]
    rounds = manager.of("PERIODICAL")
    assert [(sequence, round(value["default"], 6)) for sequence, value in rounds] == [(0, 0.11), (1, 0.21)]
    ((_, result),) = manager.of("FINAL")
    assert result["default"] == pytest.approx(0.21) and result["macs"] > result["params"] > 0
    left = json.loads((folder / LEFT).read_text())
    assert Architecture.from_json(left["architecture"]) == baseline2(SpaceConfig.compact())
    table = folder / "race.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:3]) + "\n")  # killed in the second round
    asked.clear()
    code, manager = race_trial()
    assert code == 0 and asked == [(2, 0), (2, 1)] and [sequence for sequence, _ in manager.of("PERIODICAL")] == [1]
    assert race_trial("--rounds", "null")[0] == 2
    assert "rounds: a trial does not know how many others run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "is_trial", "code"),
    [
        (KeyboardInterrupt(), True, -signal.SIGINT),
        (KeyboardInterrupt(), False, 1),
        (SystemExit(3), True, 3),
        (Terminated(), True, 1),
    ],
    ids=repr,
)
def test_an_assessor_stops_a_trial_by_its_signal(
    raised: BaseException, is_trial: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int] = []
    handlers: list[Any] = []
    monkeypatch.setattr("experiments.nni_manager.trial.signal.raise_signal", lambda number: ends.append(-number))
    monkeypatch.setattr("experiments.nni_manager.trial.signal.signal", lambda *given: handlers.append(given))
    monkeypatch.setenv("NNI_OUTPUT_DIR", "here" if is_trial else "")
    try:
        with stopped_by_signal():
            raise raised
    except SystemExit as error:
        ends.append(int(str(error.code)))
    except KeyboardInterrupt:
        ends.append(1)
    assert ends == [code] and handlers == ([(signal.SIGINT, signal.SIG_DFL)] if code < 0 else [])


@pytest.mark.parametrize("platform", ["local", "remote"])
def test_the_network_of_another_machine_is_in_the_metric(
    folder: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setenv("NNI_PLATFORM", platform)
    monkeypatch.setattr("experiments.nni_manager.trial.final_metric", lambda summary: {"default": 0.5})
    channel = Channel({})
    set_default_trial_command_channel(channel)
    Manager(folder).finish(folder, {}, '{"a": 1}', DataOptions(name="folder", root="my garden"))
    ((_, metric),) = channel.of("FINAL")
    left = {"data": " --data.name folder --data.root 'my garden'", "architecture": '{"a":1}'}
    assert metric == {"default": 0.5} | ({} if platform == "local" else left)
    assert json.loads((folder / LEFT).read_text()) == left


def test_the_tensorboard_button_finds_the_curves(tmp_path: Path) -> None:
    folder = tmp_path / "environments" / "local-env" / "trials" / "aBcDe"
    folder.mkdir(parents=True)
    for _ in range(2):  # also when it is submitted again
        offer_curves(folder)
    (folder / "tensorboard" / "events").write_text("x")
    assert (tmp_path / "trials" / "aBcDe" / "output" / "tensorboard" / "events").read_text() == "x"
    elsewhere = tmp_path / "elsewhere" / "trials" / "aBcDe"
    elsewhere.mkdir(parents=True)
    offer_curves(elsewhere)
    assert list(elsewhere.iterdir()) == []


def test_sampled_networks_are_reported_one_by_one(folder: Path) -> None:
    code, manager = trial(folder, **{"strategy": "random", "method.samples": 2, "epochs": 1})
    assert (
        code == 0 and [sequence for sequence, _ in manager.of("PERIODICAL")] == [0, 1] and len(manager.of("FINAL")) == 1
    )


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"method.rho.withd": 0.1}, "method.rho.withd: unknown key; did you mean --method.rho.width?"),
        ({"epochs": "many"}, "--epochs: expected a whole number, got many"),
        ({"strategy": "dart"}, "dart"),
        ({"data.name": "camvid", "data.root": "/nowhere"}, "/nowhere"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_mistake_fails_the_trial_in_one_line(
    parameters: dict[str, Any], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, manager = trial(folder, **parameters)
    captured = capsys.readouterr()
    assert code == 2 and not manager.metrics
    assert words in captured.err and len(captured.err.splitlines()) == 1


def test_parameters_win_over_the_file_and_keep_the_rest() -> None:
    base = Options(epochs=5, seed=1)
    base.data.root = "null"
    options = with_parameters(
        base, {"seed": 2, "space.search": "depth,width", "method.h": 0.2, "constraint.macs": "20M"}
    )
    assert (options.epochs, options.seed, options.space.search, options.method.h) == (5, 2, ["depth", "width"], 0.2)
    assert options.data.root == "null" and float(options.constraint.macs or 0) == 20e6
    nested = {
        "row": {"_name": "IE(2)", "strategy": "ssr-ie", "method.rho.width": 0.6},
        "data.name": {"_name": "streets", "data.limit": 8},
    }
    options = with_parameters(base, nested)
    assert (options.strategy, options.method.rho.width, options.data.name, options.data.limit) == (
        "ssr-ie",
        0.6,
        "streets",
        8,
    )
    with pytest.raises(InputError, match="dotted key"):
        with_parameters(base, [1, 2])  # type: ignore[arg-type]


def test_a_manager_that_is_gone_ends_the_trial_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise requests.ConnectionError("refused")

    monkeypatch.setattr(Channel, "send_metric", refused)
    code, _ = trial(folder, strategy="ssr")
    told, *error = capsys.readouterr().err.splitlines()
    assert told.startswith("warning: ") and "epochs would do" in told  # of so few steps, before the first one
    assert code == 1 and len(error) == 1 and "goes on from its last epoch" in error[0]
    assert not (folder / "metrics.csv").exists()  # so the epoch will be told


class Rest(BaseHTTPRequestHandler):
    """NNI's REST API as far as a trial asks it."""

    def do_GET(self) -> None:
        job = {"hyperParameters": [json.dumps({"parameter_id": 7, "parameters": {"seed": 5, "epochs": 1}})]}
        body = json.dumps(job if self.path.startswith("/api/v1/nni/trial-jobs/") else {}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_parameters_that_nni_mixed_up_are_those_that_the_web_ui_shows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Rest) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", f"http://127.0.0.1:{server.server_port}/env/local-env/aBcDe")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        code, manager = trial(folder, seed=6, epochs=2)  # another trial's, handed out in the wrong order
        server.shutdown()
    assert (
        code == 0
        and json.loads((folder / "search.json").read_text())["seed"] == 5
        and len(manager.of("PERIODICAL")) == 1
    )
    monkeypatch.delenv("NNI_TRIAL_COMMAND_CHANNEL")
    (folder / "search.json").unlink()
    assert trial(folder, seed=8)[0] == 0  # submitted again: the trial stays what it was
    assert json.loads((folder / "search.json").read_text())["seed"] == 5
