"""A search that is killed with SIGKILL, again and again and at any moment, ends as if nothing had happened."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from forked import ForkServer

pytestmark = pytest.mark.slow
Run = Callable[..., int]
EPOCHS, BATCHES = 12, 4
SEARCH = [
    *(
        "search",
        "--data.size",
        "32x40",
        "--data.limit",
        "16",
        "--data.batch",
        "4",
        "--epochs",
        str(EPOCHS),
        "--device",
        "cpu",
    ),
    *(
        "--space.dilations",
        "1,2",
        "--space.depths",
        "[[1, 2], [2, 3]]",
        "--space.span",
        "8",
        "--method.lr",
        "0.12",
        "--method.h",
        "0.5",
    ),
]
KEYS = ("removals", "entropy", "miou", "gap", "gap_before", "cost", "alive", "discrete", "discrete_epoch")
# For each line, runs a command in a process of its own, and kills it by SIGKILL at a moment of a kind, counted from its
# start. The processes are forked when all is imported and the images are drawn: that takes longer than the search.
KILLER = """
import json, os, signal, sys
from functools import lru_cache
from pathlib import Path
import cv2
import torch
from experiments.cli import main
from experiments.commands import search
from experiments.data.streets import scenes
from experiments.search import one_shot, prepare
from experiments.training import checkpoints
from strategies.search_module import SearchModule

kind, at, seen = "never", 0, 0

def moment(name):
    global seen
    if name == kind:
        seen += 1
        if seen > at:
            os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name, kind):
    own = getattr(owner, name)
    def wrapped(*args, **kwargs):
        moment(kind)
        return own(*args, **kwargs)
    setattr(owner, name, wrapped)

def after(owner, name, kind):
    own = getattr(owner, name)
    def wrapped(*args, **kwargs):
        result = own(*args, **kwargs)
        moment(kind)
        return result
    setattr(owner, name, wrapped)

save = torch.save
def half_saved(checkpoint, file):
    global seen
    if kind == "half a checkpoint":
        seen += 1
        if seen > at:
            import io
            whole = io.BytesIO()
            save(checkpoint, whole)
            file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    save(checkpoint, file)

torch.save = half_saved
replace = os.replace
def replaced(source, target):
    if str(target).endswith("last.ckpt"):
        moment("before the rename")
    replace(source, target)
    if str(target).endswith("last.ckpt"):
        moment("after the rename")
os.replace = replaced
before(SearchModule, "training_step", "step")
before(SearchModule, "_shrink", "before a shrink")
before(SearchModule, "_forget_moments", "in a shrink")
after(SearchModule, "apply_alive", "after narrowing")
cv2.setNumThreads(1)  # a forked process has no other thread
scenes.render_scene = lru_cache(100)(scenes.render_scene)
for index in range(16):
    for split in ("train", "val"):
        scenes.render_scene(split, index, (32, 40))
for line in sys.stdin:
    kind, at, arguments = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        os._exit(main(arguments))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def run(tmp_path: Path, forked: ForkServer) -> Iterator[Run]:
    """``run(arguments, kind, at)``: the command's exit code."""
    script = tmp_path / "killer.py"
    script.write_text(KILLER)
    command, pipe = [sys.executable, str(script)], subprocess.PIPE
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (tmp_path / "errors").open("w+") as errors:
        with forked():
            process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        with process:
            assert process.stdin is not None and process.stdout is not None
            told, answers = process.stdin, process.stdout

            def one(arguments: list[str], kind: str = "never", at: int = 0) -> int:
                told.write(json.dumps([kind, at, arguments]) + "\n")
                told.flush()
                code = int(answers.readline())
                assert code in (0, -signal.SIGKILL), (tmp_path / "errors").read_text()
                return code

            yield one


def moments(seed: int) -> list[tuple[str, int]]:
    """Where to kill: before any checkpoint; then each kind among steps while the search still shrinks; then steps."""
    draw = random.Random(seed)
    kinds = [
        "half a checkpoint",
        "before the rename",
        "after the rename",
        "before a shrink",
        "in a shrink",
        "after narrowing",
    ]
    early = [(kind, 0) for kind in kinds] + [("step", draw.randrange(1, BATCHES)) for _ in range(2)]
    draw.shuffle(early)
    return [
        ("step", draw.randrange(BATCHES)),
        *early,
        *(("step", draw.randrange(BATCHES, 3 * BATCHES)) for _ in range(4)),
    ]


@pytest.mark.parametrize("seed", [0])
def test_killed_at_random_moments_it_ends_the_same_bit_for_bit(seed: int, run: Run, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run([*SEARCH, "--out", str(whole)]) == 0
    arguments = [*SEARCH, "--out", str(parts)]
    for number, (kind, at) in enumerate(moments(seed)):
        assert run(arguments, kind, at) == -signal.SIGKILL, f"the search ended before {kind}"
        assert not (parts / "search.json").exists()
        assert number > 0 or not (parts / "checkpoints" / "last.ckpt").exists()
        arguments = ["search", "--resume", str(parts)]
    assert run(arguments) == 0
    first, second = (json.loads((folder / "search.json").read_text()) for folder in (whole, parts))
    assert len({removal["epoch"] for removal in first["removals"]}) > 2, (
        "the search of this test must shrink in several epochs"
    )
    for key in KEYS:
        assert first[key] == second[key], key
    for name in ("architecture.json", "pareto.json"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    metrics = [pd.read_csv(folder / "metrics.csv").filter(regex="^(?!seconds)") for folder in (whole, parts)]
    pd.testing.assert_frame_equal(*metrics, check_exact=True)
    states = [torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (whole, parts)]
    assert same([state["state_dict"] for state in states]) and same([state["optimizer_states"] for state in states])
    assert not list(parts.rglob("*.tmp"))


def same(values: list[object]) -> bool:
    first, second = values
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        assert isinstance(second, dict)
        return first.keys() == second.keys() and all(same([first[key], second[key]]) for key in first)
    if isinstance(first, list):
        assert isinstance(second, list)
        return len(first) == len(second) and all(same(list(pair)) for pair in zip(first, second, strict=True))
    return first == second
