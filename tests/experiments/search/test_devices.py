"""A search on two devices from the command line: its files, its end with a process, its resume, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from forked import ForkServer

from experiments.cli import main
from experiments.runs.processes import module_command
from experiments.search.options import SearchOptions, check_data, check_options
from nas_space.errors import InputError

SMALL = ["--space.dilations", "1,2", "--space.depths", "[[1, 2], [2, 3]]", "--space.span", "8"]
TINY = ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--device", "cpu", *SMALL]
DECIDE = ["--method.lr", "1.5", "--method.h", "0.6", "--method.warmup", "0", "--method.explore", "0"]
TWO = ["search", *TINY, *DECIDE, "--epochs", "4", "--devices", "2"]
LONG = ["search", *TINY, "--epochs", "100000", "--devices", "2"]
STARTS = {
    "script": [str(Path(sys.executable).with_name("ssr-nas"))],
    "module": [sys.executable, "-m", "experiments.cli"],
    "child": module_command("experiments.cli"),
}

# Runs the command and kills its processes, all at once, when the second checkpoint has its name.
KILLER = """
import os, signal, sys
from experiments.cli import main

replace, seen = os.replace, []

def replaced(source, target):
    replace(source, target)
    if str(target).endswith("last.ckpt"):
        seen.append(target)
        if len(seen) == 2:
            os.killpg(0, signal.SIGKILL)

os.replace = replaced
sys.exit(main())
"""


def start(
    arguments: list[str], folder: Path, command: str = "module", cwd: Path | None = None, **environment: str
) -> subprocess.Popen[str]:
    """Start the command in a process group of its own."""
    folder.mkdir(exist_ok=True)
    # torch makes a folder for compiled code in TMPDIR, which is not ours to remove.
    compiled = str(folder.with_name("compiled"))
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder), "TORCHINDUCTOR_CACHE_DIR": compiled}
    variables |= environment
    if command == "child":  # must find the toolkit by itself
        variables.pop("PYTHONPATH", None)
    return subprocess.Popen(
        [*STARTS[command], *arguments],
        cwd=cwd,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def children(process: subprocess.Popen[str]) -> list[int]:
    """Ids of the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def group(process: subprocess.Popen[str]) -> list[int]:
    """Ids of the processes, zombies apart, that were started with a process and below it."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, number = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # ended meanwhile
            continue
        if int(number) == process.pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def until(reached: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def searching(tmp_path: Path, forked: ForkServer) -> Iterator[subprocess.Popen[str]]:
    """A search that is in the midst of its epochs; whatever is left of it is killed."""
    with forked(spares=1):
        process = start([*LONG, "--out", str(tmp_path / "run")], tmp_path / "tmp")
    try:
        until(lambda: (tmp_path / "run" / "checkpoints" / "last.ckpt").exists() or process.poll() is not None)
        yield process
    finally:
        if group(process):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def complaint(process: subprocess.Popen[str]) -> str:
    """The one line on standard error, apart from the progress bar and the warning of few steps."""
    lines = process.communicate(timeout=300)[1].replace("\r", "\n").splitlines()
    told = [line for line in lines if line.strip() and not line.startswith(("search (", "warning: "))]
    assert len(told) == 1, told
    return told[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Started as ``compare`` starts a search, in a folder that ``python -m`` would take for the toolkit."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "experiments").mkdir()
    (folder / "experiments" / "__init__.py").write_text("raise SystemExit('not ours')")
    process = start([*TWO, "--json", "--out", "run"], folder / "tmp", "child", cwd=folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["strategy"] == "ssr"
    assert out.count("found network") == 1 and err.count("error") == 0
    left = [path.name for path in (folder / "tmp").iterdir()]
    assert group(process) == [] and left in ([], [".ses"])  # which onnxruntime leaves wherever it is imported
    return folder / "run"


@pytest.mark.slow
def test_all_files_are_there_and_the_summary_has_the_keys_of_one_device(whole: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    assert main([*TWO[:-1], "1", "--out", str(one)]) == 0
    names = [
        {str(path.relative_to(run)) for path in run.rglob("*") if "tfevents" not in path.name} for run in (whole, one)
    ]
    files = [{name for name in found if "snapshots" not in name} for found in names]  # a snapshot for every shrink
    assert files[0] == files[1]
    assert len(list(whole.glob("tensorboard/*tfevents*"))) == 1
    summaries = [json.loads((run / "search.json").read_text()) for run in (whole, one)]
    assert summaries[0].keys() == summaries[1].keys() and summaries[0]["discrete"]
    metrics = [pd.read_csv(run / "metrics.csv") for run in (whole, one)]
    assert metrics[0].columns.tolist() == metrics[1].columns.tolist() and metrics[0]["epoch"].tolist() == [1, 2, 3, 4]
    assert yaml.safe_load((whole / "config.yml").read_text())["devices"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_all(victim: int, searching: subprocess.Popen[str], whole: Path, tmp_path: Path) -> None:
    (follower,) = children(searching)
    os.kill(searching.pid if victim == 0 else follower, signal.SIGKILL)
    assert searching.wait(300) != 0
    if victim == 1:
        line = complaint(searching)
        assert (
            searching.returncode == 1
            and line.startswith("ssr-nas search: error: ")
            and "device 1 was killed (SIGKILL)" in line
        )
        assert list((tmp_path / "tmp").iterdir()) == []
    until(lambda: group(searching) == [])
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "word", "everyone"),
    [(signal.SIGINT, 130, "interrupted", True), (signal.SIGTERM, 143, "terminated", False)],
    ids=("Ctrl+C in a terminal", "kill of the first"),
)
def test_interrupted_in_one_line(
    number: int, code: int, word: str, everyone: bool, searching: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert len(group(searching)) == 2
    (os.killpg if everyone else os.kill)(searching.pid, number)
    assert word in complaint(searching)
    assert searching.returncode == code and group(searching) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
def test_a_search_that_was_killed_resumes_to_the_same_end(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked: ForkServer
) -> None:
    run, script = tmp_path / "run", tmp_path / "killer.py"
    script.write_text(KILLER)
    monkeypatch.setitem(STARTS, "killer", [sys.executable, str(script)])
    with forked(spares=1):
        process = start([*TWO, "--out", str(run)], tmp_path / "tmp", "killer")
    told = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, told
    assert not (run / "search.json").exists() and (run / "checkpoints" / "last.ckpt").exists()
    with forked(spares=1):
        process = start(["search", "--resume", str(run)], tmp_path / "tmp", "script")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "found network" in out
    first, second = (json.loads((folder / "search.json").read_text()) for folder in (whole, run))
    for key in ("removals", "entropy", "miou", "gap", "gap_before", "cost", "alive", "discrete_epoch"):
        assert first[key] == second[key], key
    metrics = [pd.read_csv(folder / "metrics.csv").filter(regex="^(?!seconds)") for folder in (whole, run)]
    pd.testing.assert_frame_equal(*metrics)
    weights = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for folder in (whole, run)
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


EXPLODES = """
import os
from strategies.ssr import SSR

class Mine(SSR):
    def configure_oneshot_module(self, module):
        loss, self.calls = module.loss.forward, 0
        def forward(*inputs):
            self.calls += 1
            return loss(*inputs) * (float("nan") if self.calls == 3 else 1.0)
        if os.environ.get("LOCAL_RANK") == RANK:
            module.loss.forward = forward
        return super().configure_oneshot_module(module)
"""
FAILS = """
import os
from strategies.ssr import SSR as Mine

assert os.environ.get("LOCAL_RANK") is None, "there is no second one"
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "number", "words"),
    [
        (EXPLODES.replace("RANK:", "None:"), 2, "error: the loss became nan in epoch 1: lower train.lr or method.lr"),
        (EXPLODES.replace("RANK:", "'1':"), 2, "error: the loss became nan in epoch 1: lower train.lr or method.lr"),
        (FAILS, 2, "there is no second one"),
    ],
    ids=("loss-0", "loss-1", "start-1"),
)
def test_one_process_fails(code: str, number: int, words: str, tmp_path: Path, forked: ForkServer) -> None:
    (tmp_path / "mine.py").write_text(code)
    arguments = [*TWO, "--strategy", "mine:Mine", "--out", str(tmp_path / "run")]
    with forked(spares=1):
        process = start(arguments, tmp_path / "tmp", PYTHONPATH=str(tmp_path))
    line = complaint(process)
    assert line.startswith("ssr-nas") and words in line and line.count("error:") == 1
    assert process.returncode == number
    until(lambda: group(process) == [])


# what is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": 0}, "devices: 0 must be at least 1"),
        (
            {"devices": 3},
            "data.batch: 8 images are no two or more for each of 3 devices; make it a multiple of 3, 6 or more",
        ),
        (
            {"devices": 8},
            "data.batch: 8 images are no two or more for each of 8 devices; make it a multiple of 8, 16 or more",
        ),
        ({"devices": 2, "strategy": "nni-darts"}, "devices: nni-darts runs on one device"),
        ({"devices": 2, "strategy": "random"}, "devices: random runs on one device"),
    ],
)
def test_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_options(SearchOptions(device="cpu", **changes))  # type: ignore[arg-type]


def test_more_gpus_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_options(SearchOptions(device="cuda", devices=2))
    with pytest.raises(InputError, match="devices: 4 GPUs are not there; at most 2"):
        check_options(SearchOptions(device="cuda", devices=4))


@pytest.mark.parametrize(("share", "images"), [(None, 6), (0.5, 12)])
def test_less_than_a_batch(share: float | None, images: int) -> None:
    from experiments.data import load
    from experiments.options.groups import DataOptions

    options = SearchOptions(device="cpu", devices=2, data=DataOptions(size="32x40", limit=images))
    options.method.arch_split = share
    with pytest.raises(InputError, match="data.batch: 8 is more than the 6 images that 2 devices share"):
        check_data(options, load(options.data))
    options.devices = 1
    check_data(options, load(options.data))


def test_the_number_of_devices_may_change_when_a_search_is_continued(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main([*TWO[:-1], "1", "--out", str(run)]) == 0
    from experiments.runs.files import plain
    from experiments.runs.folder import read_config
    from experiments.training.checkpoints import resumed_state

    options = {key: value for key, value in read_config(run).items() if key not in ("out", "resume")}
    checkpoint = run / "checkpoints" / "last.ckpt"
    resumed_state(checkpoint, "SearchMonitor", plain({**options, "devices": 2}), "search")
    with pytest.raises(InputError, match="epochs"):
        resumed_state(checkpoint, "SearchMonitor", plain({**options, "devices": 2, "epochs": 9}), "search")
