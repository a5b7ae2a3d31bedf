"""The shipped NNI experiments: NNI's own validator takes them, and their trials have options that mean something."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nni
import pytest
import yaml
from nni.algorithms.hpo.gridsearch_tuner import GridSearchTuner
from nni.algorithms.hpo.tpe_tuner import TpeTuner
from nni.experiment.config import ExperimentConfig

from experiments.commands.race_trial import Options as RaceTrialOptions
from experiments.commands.trial import Options
from experiments.nni_manager.definition import read_experiment
from experiments.nni_manager.trial import with_parameters
from experiments.options.arguments import parse
from experiments.race.options import check_race
from experiments.search.bounds import make_constraint
from experiments.search.options import check_options
from nas_space.scaling import REFERENCES, parse_scaled

CONFIGS = Path(__file__).parents[3] / "experiments" / "configs"
LOCAL = sorted(path for path in CONFIGS.glob("*/experiment.yml") if path.parent.name not in ("race", "remote"))
CLUSTER = sorted((CONFIGS / "cluster").glob("*.yml"))


def parameters_of(config: ExperimentConfig) -> Iterator[dict[str, Any]]:
    """What the experiment's tuner gives to its trials."""
    tuner = {"GridSearch": GridSearchTuner, "TPE": TpeTuner}[config.tuner.name](**(config.tuner.class_args or {}))
    tuner.update_search_space(json.loads(Path(config.search_space_file).read_text()))
    for number in range(config.max_trial_number):
        yield tuner.generate_parameters(number)
    if isinstance(tuner, GridSearchTuner):
        with pytest.raises(nni.NoMoreTrialError):  # the whole grid, and nothing twice
            tuner.generate_parameters(config.max_trial_number)


@pytest.mark.parametrize("path", LOCAL, ids=[path.parent.name for path in LOCAL])
def test_every_trial_has_options_that_mean_something(path: Path) -> None:
    config = ExperimentConfig.load(path).canonical_copy()  # paths beside the file
    config.validate()
    assert (
        f"experiments/configs/{path.parent.name}/experiment.yml" in path.read_text()
        and config.experiment_name == path.parent.name
    )
    (file,) = re.findall(r"ssr-nas trial --config (\S+)", config.trial_command)
    base, _ = parse("ssr-nas trial", "", Options, [f"--config={Path(config.trial_code_directory) / file}"])
    seen = []
    for parameters in parameters_of(config):
        options = with_parameters(base, parameters)
        check_options(options)
        make_constraint(options, 9)  # bounds can be met
        assert options not in seen
        seen.append(options)


def test_every_entrant_of_the_race_has_options_that_mean_something() -> None:
    config = read_experiment(CONFIGS / "race" / "experiment.yml").canonical_copy()
    assert "ssr-nas race-trial --config race.yml" in config.trial_command
    base, _ = parse("ssr-nas race-trial", "", RaceTrialOptions, [f"--config={CONFIGS / 'race' / 'race.yml'}"])
    entrants = []
    for parameters in parameters_of(config):
        options = with_parameters(base, parameters)
        check_race(options)
        assert options.rounds is not None
        entrants += options.entrants
    assert len(entrants) == len(set(entrants)) == config.max_trial_number
    assert all(name in REFERENCES or parse_scaled(name) is not None for name in entrants)


@pytest.mark.parametrize("path", CLUSTER, ids=[path.stem for path in CLUSTER])
def test_cluster_configurations_pass_nnis_validator(path: Path, tmp_path: Path) -> None:
    config = ExperimentConfig.load(path)
    config.validate()
    assert config.training_service.platform == path.stem
    assert f"experiments/configs/cluster/{path.name}" in path.read_text()
    misspelled = tmp_path / "misspelled.yml"
    misspelled.write_text(path.read_text().replace("storageType", "storageKind").replace("..", str(CONFIGS)))
    with pytest.raises(ValueError, match="storageKind"):
        ExperimentConfig.load(misspelled).validate()


@pytest.mark.filterwarnings("ignore:.*:UserWarning:nni")
def test_the_remote_configuration_passes_once_its_key_is_there(tmp_path: Path) -> None:
    content = yaml.safe_load((CONFIGS / "remote" / "experiment.yml").read_text())
    key = tmp_path / "key"
    key.write_text("")
    for machine in content["trainingService"]["machineList"]:
        machine["sshKeyFile"] = str(key)
    for name in ("trialCodeDirectory", "searchSpaceFile"):
        content[name] = str((CONFIGS / "remote" / content[name]).resolve())
    path = tmp_path / "experiment.yml"
    path.write_text(yaml.safe_dump(content))
    config = ExperimentConfig.load(path)
    config.validate()
    assert [machine.host for machine in config.training_service.machine_list] == [
        "worker1.example.com",
        "worker2.example.com",
    ]
