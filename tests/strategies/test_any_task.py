"""Searches of other spaces as NNI's own experiments with NNI's own evaluators: export, resume, curves, options."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nni
import pytest
import torch
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.experiment import NasExperiment
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d, Repeat
from nni.runtime.trial_command_channel import TrialCommandChannel, set_default_trial_command_channel
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau
from torch.utils.data import TensorDataset

import strategies
from experiments.search.nni_experiment import LocalExperiment
from nas_space.errors import InputError
from strategies import DARTS, SSR, MethodOptions
from strategies.optimizers import advance_schedules, weights_alone

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning"),
    pytest.mark.filterwarnings("ignore:The dirpath has changed:UserWarning"),
]
FAST = MethodOptions(lr=1.0, h=0.5, warmup=0.1, explore=0.1)


class Small(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        width = nni.choice("width", [3, 5])
        self.stem, self.norm = MutableConv2d(3, width, 3), MutableBatchNorm2d(width)
        self.join = MutableConv2d(width, 4, 1)
        self.body = Repeat(
            lambda i: LayerChoice([nn.Conv2d(4, 4, 1), nn.Dropout(0.2)], label=f"l{i}"), (1, 2), label="d"
        )
        self.head = nn.Linear(4, 3)

    def forward(self, image: Tensor) -> Tensor:
        x = self.body(self.join(self.norm(self.stem(image)).relu()))
        result: Tensor = self.head(x.mean((2, 3)))
        return result


def evaluator(epochs: int, folder: Path, **fit: Any) -> Classification:
    generator = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randn(12, 3, 6, 6, generator=generator), torch.randint(0, 3, (12,), generator=generator))
    loaders = [DataLoader(data, batch_size=4, shuffle=True) for _ in range(2)]
    made = Classification(
        num_classes=3,
        train_dataloaders=loaders[0],
        val_dataloaders=loaders[1],
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(folder, "{epoch}", save_top_k=-1, save_on_train_epoch_end=True)],
    )
    made.fit_kwargs = fit
    return made


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., NasExperiment]]:
    """An experiment that has run, and leaves nothing in the home folder."""
    started: list[NasExperiment] = []

    def start(strategy: Any, epochs: int, **fit: Any) -> NasExperiment:
        torch.manual_seed(0)
        folder = tmp_path / f"run{len(started)}"
        experiment = LocalExperiment(Small(), evaluator(epochs, folder, **fit), strategy)
        experiment.config.experiment_working_directory = str(tmp_path)
        started.append(experiment)
        experiment.run()
        return experiment

    yield start
    for experiment in started:
        experiment.stop()


def test_an_experiment_of_nni(run: Callable[..., NasExperiment]) -> None:
    """What docs/any_space.md shows: any space, any evaluator, the sample and the network that come out."""
    strategy = SSR(FAST)
    experiment = run(strategy, 6)
    (sample,) = experiment.export_top_models(formatter="dict")
    assert set(sample) == {"width", "d", "l0", "l1"} and json.loads(json.dumps(sample)) == sample
    fresh, (network,) = Small().freeze(sample), experiment.export_top_models(formatter="instance")
    fresh.load_state_dict(network.state_dict())
    images, supernet = torch.randn(2, 3, 6, 6), strategy.supernet.eval()
    torch.testing.assert_close(fresh.eval()(images), supernet(images), rtol=1e-5, atol=1e-6)
    assert {removal.rule for removal in strategy.removals} <= {"threshold", "cascade"}
    assert {removal.label for removal in strategy.removals} == {"width", "d", "l0", "l1"}
    metrics = strategy.oneshot_module.trainer.callback_metrics
    assert float(metrics["entropy"]) == 0.0 and "train_acc" in metrics and float(metrics["alive_width"]) == 1.0
    assert isinstance(experiment.export_top_models()[0].metric, float | type(None))


def test_a_search_goes_on_bit_for_bit(run: Callable[..., NasExperiment], tmp_path: Path) -> None:
    """From every epoch: the shuffled batches, dropout, removals and weights are those of a search without a stop."""
    whole = SSR(MethodOptions(lr=0.1, h=0.8, warmup=0.1, explore=0.1))
    run(whole, 5)
    assert {removal.epoch for removal in whole.removals} == {2}  # so the first is before a narrowing, the others after
    for number, epoch in enumerate((0, 2, 3), start=1):
        again = SSR(MethodOptions(lr=0.1, h=0.8, warmup=0.1, explore=0.1))
        run(again, 5, ckpt_path=str(tmp_path / "run0" / f"epoch={epoch}.ckpt"), weights_only=True)
        assert again.removals == whole.removals, number
        own, other = again.oneshot_module.state_dict(), whole.oneshot_module.state_dict()
        assert own.keys() == other.keys() and all(torch.equal(own[name], other[name]) for name in own)


class Channel(TrialCommandChannel):
    """Stands for NNI's manager."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def receive_parameter(self) -> Any:
        return {"parameter_id": 7, "parameters": {"seed": 1}}

    def send_metric(self, type: Any, parameter_id: Any, trial_job_id: str, sequence: int, value: Any) -> None:  # noqa: A002
        self.sent.append((type, parameter_id, sequence, value))


def test_curves_in_the_web_ui(run: Callable[..., NasExperiment], monkeypatch: pytest.MonkeyPatch) -> None:
    """A search in an NNI trial reports every epoch under the trial's own id, and leaves that id as it was."""
    channel = Channel()
    monkeypatch.setattr("nni.runtime.trial_command_channel._channel", None)
    set_default_trial_command_channel(channel)
    monkeypatch.setattr("nni.trial._params", None)
    monkeypatch.setattr("strategies.curves.trial_env_vars", SimpleNamespace(NNI_PLATFORM="local"))
    run(DARTS(FAST), 3)
    assert [entry[:3] for entry in channel.sent] == [("PERIODICAL", 7, epoch) for epoch in range(3)]
    for *_, metric in channel.sent:
        assert metric["default"] == metric["train_acc"] and metric["entropy"] > 0 and metric["alive_depth"] == 2
        assert all(isinstance(value, float) for value in metric.values())
    assert nni.get_current_parameter() == {"seed": 1}


def test_optimisers_of_any_form_lose_the_logits() -> None:
    weight, logit = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    for form in (
        lambda o: o,
        lambda o: [o],
        lambda o: ([o], [LambdaLR(o, float)]),
        lambda o: {"optimizer": o},
        lambda o: [{"optimizer": o, "lr_scheduler": LambdaLR(o, float)}],
    ):
        optimizer = Adam([{"params": [weight]}, {"params": [logit]}])
        configured = form(optimizer)
        assert weights_alone(configured, {logit}) is configured
        assert [group["params"] for group in optimizer.param_groups] == [[weight], []]
    for bad, count in (([Adam([weight]), Adam([weight])], 2), (None, 0)):
        with pytest.raises(InputError, match=f"one optimiser of the weights, configure_optimizers gives {count}"):
            weights_alone(bad, {logit})


def test_schedules_advance_by_their_interval() -> None:
    optimizer = SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    schedules = [LambdaLR(optimizer, lambda n: 1.0) for _ in range(3)]
    configs = [
        SimpleNamespace(scheduler=schedule, interval=interval, frequency=frequency)
        for schedule, interval, frequency in zip(schedules, ("step", "epoch", "step"), (1, 1, 2), strict=True)
    ]
    trainer: Any = SimpleNamespace(lr_scheduler_configs=configs)
    optimizer.step()
    for epoch in range(2):
        for step in range(3):
            advance_schedules(trainer, "step", step + 1)
        advance_schedules(trainer, "epoch", epoch + 1)
    assert [schedule.last_epoch for schedule in schedules] == [6, 2, 2]
    configs[0].scheduler = ReduceLROnPlateau(optimizer)
    with pytest.raises(InputError, match="ReduceLROnPlateau waits for a metric"):
        advance_schedules(trainer, "step", 1)


def test_every_class_of_the_package() -> None:
    assert all(getattr(strategies, name).__name__ == name for name in strategies.CLASSES)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = strategies.Nothing
    code = "import sys, strategies; assert not {'torch', 'nni'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_a_checkpoint_of_another_space_is_refused(run: Callable[..., NasExperiment], tmp_path: Path) -> None:
    run(DARTS(FAST), 1)

    class Other(Small):
        def __init__(self) -> None:
            super().__init__()
            self.more = LayerChoice([nn.Identity(), nn.ReLU(), nn.Sigmoid()], label="more")

    strategy = DARTS(FAST)
    recipe = evaluator(1, tmp_path).module
    recipe.set_model(strategy.mutate_model(Other()))
    module = strategy.configure_oneshot_module(recipe)
    checkpoint = torch.load(tmp_path / "run0" / "epoch=0.ckpt", weights_only=True)
    with pytest.raises(InputError, match="checkpoint: of a search in another space"):
        module.on_load_checkpoint(checkpoint)
