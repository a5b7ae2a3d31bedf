"""The command ``fit`` with ``--web``: what starts NNI's manager and when, and which trials are refused."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from experiments.cli import main
from experiments.fit import fit as fit_module
from experiments.fit import runner
from experiments.fit.contest import network_of
from experiments.fit.facts import Facts, Line, Speeds, Wishes
from experiments.fit.plan import describe
from experiments.fit.web import InTrials
from experiments.fit.work import TRIAL, Epochs, Plan, work_of
from experiments.landscape.plan import Planned
from experiments.landscape.setup import TrainingSetup
from experiments.landscape.table import Trained
from experiments.nni_manager import custom_trials
from experiments.nni_manager.custom_trials import CustomTrials
from experiments.race.entrants import Entrant, write_entrants
from experiments.runs.lock import locked
from experiments.training.recipe import RetrainOptions
from nas_space.architecture import baseline1, baseline2
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

BOUND = ["--latency_ms", "50", "--minutes", "100"]
LINE = Line(0.001, 0.0)
HEADS = {"compact": {"encoder": LINE, "aggregation": LINE}}
FACTS, SPEEDS = Facts(16, 4, (40, 56), 4, 0.01, 500), Speeds({"compact": LINE}, HEADS, HEADS, HEADS)
PLAN = Plan((32, 64), 4, "compact", ("encoder",), 2, Epochs(1, 1, 1), {"search": 1.0})


@pytest.fixture
def goes_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A fit that measures nothing, and whose work is to say who would run it."""
    told: list[Any] = []

    def go_on(options: Any, folder: Path, begun: Any, runner: Any) -> dict[str, Any]:
        told.append((options.web, options.port, type(runner).__name__))
        return {"run": str(folder)}

    monkeypatch.setattr(fit_module, "prepare", lambda options: fit_module.Begun(FACTS, SPEEDS, PLAN, 30.0))
    monkeypatch.setattr(fit_module, "check_at_size", lambda options, plan: None)
    monkeypatch.setattr(fit_module, "go_on", go_on)
    yield told


def test_web_and_port_may_be_given_when_a_fit_goes_on(goes_on: list[Any], web: Any, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    assert main(["fit", "photos", *BOUND, "--web", "true", "--port", "8123", "--out", out]) == 0
    assert main(["fit", "--resume", out]) == 0
    assert main(["fit", "--resume", out, "--web", "false"]) == 0
    assert main(["fit", "--resume", out, "--port", "8124"]) == 0
    ports = [given[3] for given in web.started]
    assert goes_on == [
        (True, 8123, "InTrials"),
        (True, 8123, "InTrials"),
        (False, 8123, "Here"),
        (True, 8124, "InTrials"),
    ]
    assert ports == [8123, 8123, 8124]
    assert yaml.safe_load((tmp_path / "run" / "config.yml").read_text())["web"] is True
    (tmp_path / "run" / "fit.json").write_text("{}")  # it is complete: no manager starts for a look at it
    assert main(["fit", "--resume", out]) == 0 and len(web.started) == 3


def test_no_manager_starts_where_nobody_asks(goes_on: list[Any], web: Any, tmp_path: Path) -> None:
    assert main(["fit", "photos", *BOUND, "--out", str(tmp_path / "run")]) == 0
    assert main(["fit", "photos", *BOUND, "--web", "true", "--dry_run", "true"]) == 0
    assert goes_on == [(None, None, "Here")] and web.started == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # NNI leaves its log files open
@pytest.mark.parametrize("failure", ["port", "node", "home"])
def test_a_manager_that_cannot_start_stops_a_fit_before_it_begins(
    failure: str,
    goes_on: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing of NNI is faked but its file ``node``, and the home that its folders lie in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if failure != "port":
            server.close()
        (tmp_path / "home").touch() if failure == "home" else (tmp_path / "home").mkdir()
        monkeypatch.setattr("nni_node.__path__", [str(tmp_path / "nowhere")])
        assert main(["fit", "photos", *BOUND, "--web", "true", "--port", str(port)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    expected = {"port": f"--port {port}: in use on 127.0.0.1; choose another", "node": "did not start", "home": "home"}
    assert line.startswith("ssr-nas fit: error: ") and expected[failure] in line
    assert "--web false" in line or failure == "port"  # left out, a fit that goes on has it as it was begun
    assert goes_on == [] and not (tmp_path / "runs").exists()


def test_trials_are_counted_in_the_plan() -> None:
    """Two searches, then three networks in two rounds: three and two trainings; then the final one."""
    alone = Wishes(targets=[5.0], hand_made=1, batch=4)
    plain = {part: work_of(FACTS, SPEEDS, alone, PLAN, [part]).fixed for part in ("search", "race", "train")}
    reading = FACTS.read_s * (FACTS.train + FACTS.val)
    for at_once, starts in ((1, 5), (2, 3)):
        wishes = Wishes(targets=[5.0], hand_made=1, batch=4, trials_at_once=at_once)
        more = {part: work_of(FACTS, SPEEDS, wishes, PLAN, [part]).fixed - plain[part] for part in plain}
        assert more["search"] == pytest.approx(2 * TRIAL) and more["train"] == pytest.approx(TRIAL)
        assert more["race"] == pytest.approx(starts * (TRIAL + reading) - 2 * (15.0 + reading))
        assert any("a trial of NNI" in text and "--web" in text for text in describe(PLAN, wishes, FACTS))
    assert not any("NNI" in text for text in describe(PLAN, alone, FACTS))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "kind and folder are missing or unknown"),
        ({"kind": "remove", "folder": "run"}, "kind and folder are missing or unknown"),
        ({"kind": ["search"], "folder": "run"}, "kind and folder are missing or unknown"),
        ({"kind": "search", "folder": "nowhere"}, "folder: nowhere has not been begun"),
        ({"kind": "race", "folder": "run", "network": "a", "epochs": True}, "epochs: True is no int"),
        ({"kind": "train", "folder": "run"}, "network: None is no str"),
        ({"kind": "train", "folder": "run", "network": "a", "init": 3}, "init: 3 is no str"),
    ],
)
def test_a_trial_that_no_fit_has_submitted_is_refused(
    parameters: dict[str, Any],
    message: str,
    web: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    web.submit(parameters)
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and line.endswith("expected what ssr-nas fit --web true submits")
    assert web.ended[0]["status"] == "FAILED"


def test_a_network_that_the_race_does_not_have_is_refused(tmp_path: Path) -> None:
    space = SpaceConfig.compact()
    write_entrants(tmp_path, [Entrant(("a",), baseline1(space)), Entrant(("b", "c"), baseline2(space))])
    assert network_of(tmp_path, "b") == baseline2(space)
    with pytest.raises(InputError, match="entrants.json: has no network 'd'; it has a, b$"):
        network_of(tmp_path, "d")


@pytest.mark.parametrize("part", ["search", "train_network"])
def test_a_trial_that_a_killed_fit_has_left_is_waited_for(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fit goes on without the web UI while the trial still writes, for a moment, in the same folder."""
    held: list[bool] = []

    def work(*given: Any) -> dict[str, Any]:
        with pytest.raises(InputError, match="another process"), locked(tmp_path):
            pass
        held.append(has_ended)
        return {}

    monkeypatch.setattr(runner, part, work)
    here, nothing = runner.Here(), cast(Any, None)
    calls = {
        "search": lambda: here.search(nothing, tmp_path),
        "train_network": lambda: here.train(tmp_path, "a", nothing, nothing, None),
    }
    has_ended = False
    with ThreadPoolExecutor(1) as pool:
        with locked(tmp_path):
            result = pool.submit(calls[part])
            with pytest.raises(TimeoutError):
                result.result(0.1)
            has_ended = True
        assert result.result(60) == {} and held == [True]


def test_a_trial_has_no_place_outside_of_nni(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.delenv("NNI_OUTPUT_DIR", raising=False)
    assert main(["fit-trial"]) == 2
    assert "NNI starts this command, for ssr-nas fit --web true" in capsys.readouterr().err


def test_what_a_training_of_the_race_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that a user has stopped, and one that reports something else, are trainings that failed."""
    good = {"default": 0.1 + 0.2, "macs": 2.0, "params": 3, "seconds": 90.0}
    results = [("SUCCEEDED", good), ("USER_CANCELED", None), ("SUCCEEDED", {"default": 0.5})]

    class Answers:
        def submit(self, parameters: Any) -> int:
            asked.append(parameters)
            return len(asked) - 1

        def status(self) -> str:
            return "RUNNING"

        def get(self, path: str) -> Any:
            shown = [(status, [{"data": json.dumps(json.dumps(one))}]) for status, one in results]
            return [
                {"sequenceId": n, "trialJobId": f"t{n}", "status": s, "finalMetricData": m}
                for n, (s, m) in enumerate(shown)
            ]

    asked: list[Any] = []
    told: list[Trained | str] = []
    monkeypatch.setattr(custom_trials, "POLL", 0.0)
    network = baseline2(SpaceConfig.compact())
    planned = [Planned(f"n{seed}", network, seed) for seed in range(3)]
    train = InTrials(CustomTrials(Answers(), lambda: None, str)).race_trainings(tmp_path)  # type: ignore[arg-type]
    assert train is not None
    train(planned, TrainingSetup(RetrainOptions(epochs=4), 0.2), 2, 1, lambda one, result: told.append(result))
    assert [(one["network"], one["seed"], one["epochs"], one["threads"]) for one in asked] == [
        (f"n{seed}", seed, 4, 1) for seed in range(3)
    ]
    assert told[0] == Trained("n0", network, 0, miou=0.1 + 0.2, macs=2.0, params=3.0, minutes=1.5)
    assert "was stopped from elsewhere" in str(told[1]) and "no result of a training" in str(told[2])
