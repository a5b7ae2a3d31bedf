"""NNI's internals are still what this toolkit patches and reads; each failure names what is gone."""

import re
import sqlite3
import subprocess
from contextlib import closing
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name

import nni
import nni_node
import pytest
from nni.experiment import Experiment

from experiments.nni_manager import nni_internals
from experiments.nni_manager.start import PRELOAD

PRIVATE_NAMES = (
    "nni.__main__.MsgDispatcher",
    "nni.__main__.main",
    "nni.algorithms.hpo.gridsearch_tuner.GridSearchTuner.import_data",
    "nni.experiment.config.utils.unset_base_path",
    "nni.experiment.launcher._check_rest_server",
    "nni.experiment.launcher._start_rest_server",
    "nni.experiment.launcher.get_stopped_experiment_config",
    "nni.experiment.rest.get",
    "nni.runtime.msg_dispatcher.MsgDispatcher.handle_add_customized_trial",
    "nni.runtime.msg_dispatcher.MsgDispatcher.handle_request_trial_jobs",
    "nni.runtime.msg_dispatcher.MsgDispatcher.process_command",
    "nni.runtime.msg_dispatcher.MsgDispatcher.report_error",
    "nni.runtime.trial_command_channel.get_default_trial_command_channel",
)
EXPERIMENT_ATTRIBUTES = ("_action", "_proc")
NODE = Path(nni_node.__path__[0])
CLUE = f"NNI {nni.__version__} has no {{}}; mend nni_internals.py, which was made for NNI 3.0"


def resolve(name: str) -> object:
    """The object of a dotted name.

    Raises:
        AssertionError: it is gone; the message has the name and the file to mend.
    """
    try:
        return resolve_name(name)
    except (ImportError, AttributeError):
        raise AssertionError(CLUE.format(name)) from None


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_a_private_name_is_there(name: str) -> None:
    assert callable(resolve(name)), CLUE.format(name)


def test_a_name_that_is_gone_is_named() -> None:
    for name in ("nni.experiment.launcher._gone", "nni.gone.function"):
        with pytest.raises(
            AssertionError, match=f"has no {re.escape(name)}; mend nni_internals.py, which was made for"
        ):
            resolve(name)


@pytest.mark.parametrize("name", EXPERIMENT_ATTRIBUTES)
def test_an_experiment_has_the_attribute(name: str) -> None:
    assert hasattr(Experiment("local"), name), CLUE.format(f"nni.experiment.Experiment.{name}")


def test_the_launcher_calls_the_check_as_ours_takes_it() -> None:
    check = resolve("nni.experiment.launcher._check_rest_server")
    assert callable(check)
    assert list(signature(check).parameters) == ["port", "retry", "url_prefix"], CLUE.format(
        "launcher._check_rest_server(port, retry, url_prefix)"
    )


@pytest.mark.parametrize("query", ["PROFILES", "STORE_PROFILE", "EVENTS", "RESULTS"])
def test_the_database_of_this_nni_answers(query: str) -> None:
    source = (NODE / "core" / "sqlDatabase.js").read_text()
    tables = source.partition("const createTables = `")[2].partition("`;")[0]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(tables)
        text = getattr(nni_internals, query)
        try:
            connection.execute(text, ("{}", 0) if "?" in text else ())
        except sqlite3.Error as error:
            raise AssertionError(CLUE.format(f"database for {query} ({error})")) from None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("common/utils.js", "'-m', 'nni',"),
        ("extensions/nniTensorboardManager.js", "'--bind_all "),
        ("core/tuner_command_channel.js", "}, 10000);"),
        ("core/tuner_command_channel.js", "'Tuner did not connect"),
    ],
    ids=["tuner", "tensorboard", "seconds", "message"],
)
def test_the_manager_starts_its_children_as_loopback_cjs_expects(file: str, text: str) -> None:
    gone = f"NNI {nni.__version__}: no {text} in {file}; mend loopback.cjs, made for NNI 3.0"
    assert text in (NODE / file).read_text(), gone


def test_a_tuner_has_a_minute_to_call_its_manager() -> None:
    """Ten seconds are too few beside other work; other timers, and their promises, stay as they are."""
    code = """
    const util = require('util');
    const tuner = setTimeout(() => 'Tuner did not connect in', 10000), other = setTimeout(() => 'other', 10000);
    console.log(tuner._idleTimeout, other._idleTimeout);
    clearTimeout(tuner); clearTimeout(other);
    util.promisify(setTimeout)(1, 'promised').then(console.log);
    """
    command = [str(NODE / "node"), "--require", str(PRELOAD), "-e", code]
    out = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert out.split() == ["60000", "10000", "promised"]
