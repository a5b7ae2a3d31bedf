"""An experiment's file is checked before anything starts."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.cli import main
from experiments.nni_manager.definition import check_search_space, machines, read_experiment
from nas_space.errors import InputError

CONTENT: dict[str, Any] = {
    "experimentName": "mine",
    "trialCommand": "ssr-nas trial --config search.yml",
    "trialCodeDirectory": ".",
    "searchSpace": {"seed": {"_type": "choice", "_value": [0, 1]}},
    "trialConcurrency": 1,
    "maxTrialNumber": 2,
    "tuner": {"name": "GridSearch"},
    "trainingService": {"platform": "local"},
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        path = tmp_path / "experiment.yml"
        content = {key: value for key, value in {**CONTENT, **changes}.items() if value is not None}
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_a_good_one(write: Callable[..., Path]) -> None:
    config = read_experiment(write())
    assert config.experiment_name == "mine" and config.max_trial_number == 2 and machines(config) == []


@pytest.mark.filterwarnings("error")
def test_machines_of_a_remote_one(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("")
    service = {"platform": "remote", "machineList": [{"host": "a.example", "user": "me", "sshKeyFile": "key"}]}
    assert [machine.host for machine in machines(read_experiment(write(trainingService=service)))] == ["a.example"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trialCommand": None, "trainingService": None}, "not an experiment of NNI"),
        ({"tuner": None}, "tuner must be set"),
        ({"tuner": {"name": "TPE", "classArg": {}}}, "classarg"),
        ({"trialConcurency": 3}, "trialConcurency"),
        ({"trialConcurrency": "many"}, "trial_concurrency"),
        ({"searchSpace": None}, "search_space"),
        ({"searchSpace": None, "searchSpaceFile": "nowhere.json"}, "nowhere.json"),
        ({"trainingService": {"platform": "moon"}}, "moon"),
        ({"searchSpace": {}}, "search space is empty"),
        ({"trialConcurrency": 0}, "trial_concurrency > 0"),
        ({"searchSpace": {"seed": 5}}, "seed: expected {_type: choice, _value: [0]}"),
        ({"searchSpace": {"seed": {"_type": "choice", "_value": 5}}}, "seed: expected {_type: choice, _value: [0]}"),
        ({"searchSpace": {"seed": {"_value": [5]}}}, "seed: expected {_type: choice, _value: [0]}"),
        ({"searchSpace": {"strategy": {"_type": "choice", "_value": []}}}, "expected {_type: choice, _value: [ssr]}"),
        ({"tuner": {"name": "GridSerach"}}, "tuner.name: unknown 'GridSerach'; did you mean GridSearch?"),
        ({"tuner": {"name": "Foo"}}, "tuner.name: unknown 'Foo'; choose from PPO, SMAC, TPE"),
        ({"assessor": {"name": "Medianstopp"}}, "assessor.name: unknown 'Medianstopp'; did you mean Medianstop?"),
        ({"tuner": {"className": "mine.Tuner", "codeDirectory": "."}}, "tuner.className: mine.Tuner: there is no "),
        ({"tuner": {"className": "Tuner", "codeDirectory": "."}}, "tuner.className: 'Tuner' names no module"),
        ({"searchSpace": {5: {"_type": "choice", "_value": [1]}}}, "5: unknown key"),
        ({"searchSpace": {"method.rho.withd": {"_type": "choice", "_value": [1]}}}, "did you mean method.rho.width"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_mistakes(
    changes: dict[str, Any], words: str, write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(**changes)
    assert main(["launch", str(path)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and str(path) in error and words in error
    assert sorted(file.name for file in path.parent.iterdir()) == ["experiment.yml"]


@pytest.mark.parametrize("command", ["ssr-nas trial", "python mine.py"])
@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("choise", [1], "_type: unknown 'choise'; did you mean choice?"),
        ("LogUniform", [1, 2], "did you mean loguniform?"),
        ("loguniform", [0.1, 0.001], "_value: 0.1 is not below 0.001; loguniform takes [low, high]"),
        ("loguniform", [0, 1], "the lower bound must be above 0"),
        ("uniform", [1], "must hold 2 numbers"),
        ("quniform", [0, 1], "must hold 3 numbers"),
        ("quniform", [0, 1, 0], "q must be above 0"),
        ("uniform", ["1e-3", 1], "'1e-3' is no number (YAML reads 1e-3 as text"),
        ("uniform", [0, float("inf")], "inf is no number"),
        ("randint", [0, 1.5], "must hold whole numbers"),
        ("qlognormal", [0, -1, 1], "sigma must be above 0"),
    ],
)
def test_what_nni_cannot_draw_from(
    kind: str, values: list[Any], words: str, command: str, write: Callable[..., Path]
) -> None:
    path = write(searchSpace={"method.lr": {"_type": kind, "_value": values}}, trialCommand=command)
    with pytest.raises(InputError) as error:
        read_experiment(path)
    assert f"{path}: search space: method.lr: _" in str(error.value) and words in str(error.value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("randint", [0, 5]),
        ("uniform", [-1, 0.5]),
        ("quniform", [0, 1, 0.1]),
        ("loguniform", [0.001, 0.1]),
        ("normal", [-1, 1]),
        ("qlognormal", [0, 1, 1]),
    ],
)
def test_what_nni_can_draw_from(kind: str, values: list[Any]) -> None:
    check_search_space("x", {"method.lr": {"_type": kind, "_value": values}})


def test_a_tuner_of_one_s_own(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(tuner={"className": "mine.Tuner", "codeDirectory": "."})
    (tmp_path / "mine.py").write_text("class Tunner:\n    pass\n")
    with pytest.raises(InputError, match=r"mine.py has no 'Tuner'; did you mean Tunner\?"):
        read_experiment(path)
    (tmp_path / "mine.py").write_text("class Tuner:\n    pass\n")
    assert read_experiment(path).tuner.class_name == "mine.Tuner"
    space = {"x": {"_type": "my-own", "_value": 3}}  # only this tuner knows what that is
    read_experiment(
        write(tuner={"className": "mine.Tuner", "codeDirectory": "."}, trialCommand="python mine.py", searchSpace=space)
    )


@pytest.mark.parametrize("name", ["gridsearch", "PPOTuner", "TPE"])
def test_nni_s_names_have_no_case_and_aliases(name: str, write: Callable[..., Path]) -> None:
    assert read_experiment(write(tuner={"name": name}, assessor={"name": "Curvefitting"})).tuner.name == name


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a: [", b"- 1", b"", b"!!python/object/apply:os.getcwd []"])
def test_no_yaml(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="x.yml: not "):
        read_experiment(path)
    with pytest.raises(InputError, match="nowhere.yml: cannot be read"):
        read_experiment(tmp_path / "nowhere.yml")
    with pytest.raises(InputError, match="cannot be read"):
        read_experiment(tmp_path)


def test_nested_choices_are_looked_into() -> None:
    group = {"_name": "IE(2)", "strategy": {"_type": "choice", "_value": ["ssr-ie"]}}
    check_search_space("x", {"row": {"_type": "choice", "_value": [group, {"_name": "b"}]}})
    bad = {"_name": "IE(3)", "strateg": {"_type": "choice", "_value": ["ssr-ie"]}}
    with pytest.raises(InputError, match="strateg: unknown key; did you mean strategy"):
        check_search_space("x", {"row": {"_type": "choice", "_value": [group, bad]}})


def test_a_trial_of_another_kind_may_have_keys_of_its_own(write: Callable[..., Path]) -> None:
    space = {"lr": {"_type": "uniform", "_value": [0, 1]}}
    assert read_experiment(write(trialCommand="python mine.py", searchSpace=space)).search_space == space


def test_a_date_is_a_value_as_any_other(write: Callable[..., Path]) -> None:
    tuner = {"name": "TPE", "classArgs": {"since": date(2024, 1, 1)}}  # YAML reads 2024-01-01 as one
    config = read_experiment(write(trialCommand="python mine.py", tuner=tuner))
    assert config.tuner.class_args == tuner["classArgs"]


def test_launch_needs_an_experiment_or_an_id(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["launch"]) == main(["launch", str(write()), "--resume", "x"]) == 2
    assert main(["launch", str(write()), "--port", "80"]) == main(["launch", str(write()), "--host", "nowhere"]) == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    assert main(["launch", str(write()), "--out", str(tmp_path / "full")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 5 and "--resume" in errors[0] and "holds files already" in errors[4]


def test_a_cluster_needs_an_address_that_its_pods_reach(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).parents[3] / "experiments" / "configs" / "cluster" / "frameworkcontroller.yml"
    assert main(["launch", str(path), "--json"]) == 2
    assert "give --host ADDRESS" in capsys.readouterr().err
