"""The private names of NNI that a search uses are still there."""

import inspect
from importlib.metadata import version

import pytest
from nni.nas.evaluator import Evaluator
from nni.nas.experiment import NasExperiment
from nni.nas.experiment import experiment as module

GONE = "nni {} {}: mend experiments/search/nni_experiment.py, which was made for 3.0"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (NasExperiment, "_start_without_nni_manager"),
        (NasExperiment, "_stop_without_nni_manager"),
        (Evaluator, "_execute"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_private_name_is_there(owner: type, name: str) -> None:
    assert hasattr(owner, name), GONE.format(version("nni"), f"has no {owner.__name__}.{name}")


@pytest.mark.parametrize("name", ["_start_without_nni_manager", "_stop_without_nni_manager"])
def test_an_experiment_calls_what_we_replace(name: str) -> None:
    assert f"self.{name}()" in inspect.getsource(module), GONE.format(version("nni"), f"calls {name} no more")
