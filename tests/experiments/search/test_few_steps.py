"""Too few steps are told before the first one, with the number of epochs that would do."""

import json
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.options.groups import DataOptions
from experiments.search.closing import state
from experiments.search.few_steps import few_search_steps, few_trial_steps, need_of
from experiments.search.options import SearchOptions
from experiments.search.unused_options import unused_options
from experiments.training.few_steps import epochs_for, few_training_steps
from experiments.training.recipe import RetrainOptions
from strategies.method import MethodOptions
from strategies.registry import NAMES, STRATEGIES, create_strategy

TINY = ["--data.size", "32x40", "--data.limit", "8", "--data.batch", "4", "--epochs", "1", "--device", "cpu"]
SMALL = ["--space.dilations", "1,2", "--space.depths", "[[1, 2], [2, 3]]", "--space.span", "8"]


def told(strategy: str, epochs: int, batches: int, operators: int = 6, **method: float) -> str | None:
    options = SearchOptions(strategy=strategy, epochs=epochs, method=MethodOptions(**method))  # type: ignore[arg-type]
    composition = create_strategy(strategy, options.method).composition
    return few_search_steps(options, batches, need_of(composition, 7, operators))


def test_the_threshold_needs_the_steps_that_were_measured() -> None:
    """Street scenes and CamVid: 500 steps at a learning rate of 0.02, 300 at 0.05 with half of them for the task."""
    before = {"uniform": False, "explore": 0.1}
    assert told("ssr", 6, 8, **before) == (
        "48 steps (6 epochs of 8) are too few for ssr to decide every choice; what is left in the end is cut; "
        "63 epochs would do"
    )
    assert told("ssr", 62, 8, **before) and told("ssr", 63, 8, **before) is None
    assert told("ssr", 24, 30) is None and told("ssr", 22, 30)  # the default, on the street scenes
    assert told("ssr", 20, 15, lr=0.05, warmup=0.2, explore=0.3, uniform=False) is None
    assert told("ssr", 19, 15, lr=0.05, warmup=0.2, explore=0.3, uniform=False)
    assert told("ssr", 200, 495, lr=0.002, warmup=0.0, explore=0.0) is None  # the paper's
    assert told("ssr", 30, 5, lr=0.1, warmup=0.0, explore=0.0) is None


def test_a_staggered_search_needs_an_epoch_for_each_layer_that_has_operators() -> None:
    line = told("ssr", 15, 100, stagger=True, explore=0.1)
    assert line is not None and line.endswith(
        "to decide 7 layers, one an epoch, and then depth and width; 16 epochs would do"
    )
    assert told("ssr", 15, 100, stagger=True, operators=1, explore=0.1) is told("ssr", 15, 100) is None


def test_forced_decisions_need_an_epoch_each() -> None:
    for strategy in ("progressive", "sgas", "sgas2", "sgas-ssr"):
        line = told(strategy, 9, 100)
        assert line is not None and "7 decisions" in line and line.endswith("; 10 epochs would do")
        assert told(strategy, 10, 100) is None
    for strategy in ("pdarts", "pdarts-ssr"):
        line = told(strategy, 2, 1000)
        assert line is not None and "3 stages" in line and line.endswith("; 3 epochs would do")
        assert told(strategy, 3, 1000) is None


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_told_would_do(strategy: str) -> None:
    line = told(strategy, 1, 3)
    assert line is not None and len(line.splitlines()) == 1
    enough = int(line.rsplit("; ", 1)[1].split()[0])
    assert told(strategy, enough, 3) is None and told(strategy, enough - 1, 3) is not None


WITH_A_REGULARIZER = {"ssr", "ssr-ie", "ssr-l1", "ssr-l2", "fairdarts", "sgas-ssr"}


@pytest.mark.parametrize("strategy", NAMES)
def test_options_that_a_strategy_does_not_follow_are_told(strategy: str) -> None:
    def told(**method: float) -> str | None:
        return unused_options(strategy, MethodOptions(**method), ("dilation", "width"))  # type: ignore[arg-type]

    assert told(ramp=0.2) == (None if strategy in WITH_A_REGULARIZER else f"method.ramp has no effect on {strategy}")
    no_effect = f"method.share_widths has no effect on {strategy}"
    assert told(share_widths=True) == (None if strategy in STRATEGIES else no_effect)
    if strategy != "darts2":  # which refuses it
        assert (told(spread=1.0, ramp=0.2) is None) == strategy.startswith("ssr")
    assert told() is None


def test_what_is_without_effect_is_told_before_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for strategy, option, line in (
        ("ssr", "share_widths", "method.share_widths has no effect: no width is searched"),
        ("random", "share_widths", "method.share_widths has no effect on random"),
    ):
        options = ["--strategy", strategy, f"--method.{option}", "true", "--space.search", "dilation"]
        options += ["--method.samples", "2", "--out", str(tmp_path / strategy)]
        assert main(["search", *TINY, *SMALL, *options]) == 0
        assert f"warning: {line}\n" in capsys.readouterr().err


def test_a_search_that_did_not_decide_says_how_many_steps_the_default_takes() -> None:
    """Of another method that number says nothing."""
    summary = {"discrete": False, "entropy": {"final": 1.0}, "epochs": 2}
    default, other = (SearchOptions(epochs=2, method=MethodOptions(lr=lr)) for lr in (0.02, 0.1))
    assert ", it takes some 500 to 1000 with the default method: raise --epochs" in state(summary, default, 40)
    assert "10 steps were too few: raise --epochs or --method.lr" in state(summary, other, 40)


def test_a_learning_rate_of_zero_is_no_reason_to_fail() -> None:
    assert told("ssr", 100, 10, lr=0.0) is None
    assert "weights" in str(told("darts", 1, 10, lr=0.0))


def test_sampled_networks_share_the_passes() -> None:
    options = SearchOptions(strategy="random", epochs=4, method=MethodOptions(samples=8))
    line = few_trial_steps(options, 10, 1)
    assert line is not None and line.startswith("10 steps for each of 8 networks") and "40 epochs would do" in line
    assert max(1, round(2 * 40 / 8)) * 10 == 100 and few_trial_steps(options, 10, 10) is None


def test_every_stage_of_a_training_needs_its_steps() -> None:
    options = RetrainOptions(epochs=3, data=DataOptions())
    line = few_training_steps(options, options.plan(), 8)
    assert line == ("24 steps in each stage (epochs of 8) are too few to train a network; 13 epochs would do")
    assert "; 7 epochs would do" in str(few_training_steps(options, options.plan(peer=True), 8))  # both stages' epochs
    options.epochs = 13
    assert few_training_steps(options, options.plan(), 8) is None


def test_whole_epochs_are_not_rounded_up() -> None:
    assert (epochs_for(500.00000000001, 100), epochs_for(501, 100), epochs_for(0, 7)) == (5, 6, 1)


@pytest.mark.parametrize("strategy", ["ssr", pytest.param("nni-darts", marks=pytest.mark.slow)])
def test_a_search_tells_before_its_first_step_and_goes_on(
    strategy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "--strategy", strategy, *TINY, *SMALL, "--out", str(tmp_path / "run")]) == 0
    output = capsys.readouterr()
    lines = output.err.splitlines()
    assert (
        lines[0].startswith(f"warning: 2 steps (1 epoch of 2) are too few for {strategy}")
        and sum(line.startswith("warning:") for line in lines) == 1
    )
    summary = json.loads((tmp_path / "run" / "search.json").read_text())
    full = summary["miou"]["derived_full"]
    assert (summary["miou"]["resolution"], summary["miou"]["resolution_full"]) == ("4x5", "32x40")
    assert "labels at 4x5" in output.out and f"{100 * full:.1f}%   derived network, labels at 32x40" in output.out
