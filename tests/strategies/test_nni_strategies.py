"""One-shot strategies, ours and NNI's own, as NNI experiments on the joint space, and the images that each sees."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Lightning
from nni.nas.strategy import DARTS as NNIDARTS
from nni.nas.strategy import GumbelDARTS, RandomOneShot
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from experiments.data.dataset import SegmentationData, Split
from experiments.data.streams import ARCHITECTURE, WEIGHTS, BatchStream, val_stream
from experiments.metrics.evaluation import evaluate
from experiments.options.groups import DataOptions, TrainOptions
from experiments.search.nni_experiment import run_experiment
from experiments.search.one_shot import Search
from experiments.search.options import SearchOptions
from experiments.training.module import SegmentationModule
from experiments.training.trainer import make_trainer
from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS, SpaceConfig
from nas_space.network import SegmentationNetwork
from nas_space.space import JointSpace
from strategies.method import MethodOptions
from strategies.registry import create_strategy

# RandomOneShot says that its export is a random sample, which is all that is wanted of it here.
pytestmark = pytest.mark.filterwarnings("ignore:Direct export from RandomOneShot:UserWarning")

TRAIN, VAL = set(range(10, 18)), set(range(200, 204))
"""Every image has one colour, by which it is known again: normalising and augmenting keep it apart from all others."""


def split(colours: set[int]) -> Split:
    images = torch.tensor(sorted(colours), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 32, 40).contiguous()
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (len(colours), 32, 40), generator=generator).to(torch.uint8)
    return Split(images, labels, tuple(map(str, sorted(colours))))


def data() -> SegmentationData:
    return SegmentationData("colours", ("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)), split(TRAIN), split(VAL))


@dataclass
class Seen:
    """Colours of the images that reached a training step, and a forward pass in training and in evaluation mode."""

    steps: list[set[int]] = field(default_factory=list)
    trained: set[int] = field(default_factory=set)
    scored: set[int] = field(default_factory=set)


def colours(images: Tensor) -> set[int]:
    return {round((float(image.mean()) + 2) * 255 / 4) for image in images}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Writes down every image that any training step or network gets from now on."""
    found = Seen()
    step, call = SegmentationModule.training_step, nn.Module.__call__

    def training_step(self: SegmentationModule, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        found.steps.append(colours(batch[0]))
        return step(self, batch, batch_idx)

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self, JointSpace | SegmentationNetwork):
            (found.trained if self.training else found.scored).update(colours(args[0]))
        return call(self, *args, **kwargs)

    monkeypatch.setattr(SegmentationModule, "training_step", training_step)
    monkeypatch.setattr(nn.Module, "__call__", forward)
    yield found


class Validate(Callback):
    """Scores the validation set after every epoch, as our monitor does."""

    def __init__(self) -> None:
        self.miou: list[float] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        inner: Any = pl_module.training_module
        self.miou.append(evaluate(inner.model, val_stream(split(VAL), 2), inner.loss, 3).miou)


def run(
    space: JointSpace, strategy: Any, folder: Path, second: BatchStream | None = None, epochs: int = 1
) -> tuple[dict[str, Any], Validate]:
    """One experiment on the training images; ``second`` replaces the loader that NNI calls validation."""
    train, validate = split(TRAIN), Validate()
    module = SegmentationModule(TrainOptions(), epochs, torch.ones(3))
    streams = BatchStream(train, 4, 0, WEIGHTS), second or BatchStream(train, 4, 0, ARCHITECTURE)
    trainer = make_trainer(folder, epochs, "cpu", "32-true", [validate])
    evaluator = Lightning(module, trainer, train_dataloaders=streams[0], val_dataloaders=streams[1])
    return run_experiment(space, evaluator, strategy), validate


def check_builds(config: SpaceConfig, sample: dict[str, Any]) -> Architecture:
    architecture = Architecture.from_sample(config, sample)
    assert SegmentationNetwork(architecture, 3)(torch.randn(2, 3, 33, 40)).shape == (2, 3, 5, 5)
    return architecture


NNI = {"DARTS": NNIDARTS, "GumbelDARTS": GumbelDARTS, "RandomOneShot": RandomOneShot}


@pytest.mark.parametrize("search", [DIMENSIONS, ("dilation", "pooling"), ("width",)], ids=str)
@pytest.mark.parametrize("name", NNI)
def test_nnis_strategies_search_the_space(
    name: str, search: tuple[str, ...], tiny: Callable[..., SpaceConfig], tmp_path: Path
) -> None:
    config = tiny(search)
    sample, validate = run(JointSpace(config, 3), NNI[name](), tmp_path)
    check_builds(config, sample)
    assert len(validate.miou) == 1


@pytest.mark.parametrize("name", ["ssr", "darts"])
def test_our_strategies_export_every_label(name: str, tiny: Callable[..., SpaceConfig], tmp_path: Path) -> None:
    config = tiny()
    labels = set(JointSpace(config, 3).simplify())
    strategy = create_strategy(name, MethodOptions(warmup=0.0), 0)
    sample, _ = run(JointSpace(config, 3), strategy, tmp_path)
    assert set(sample) == labels
    assert check_builds(config, sample) == strategy.oneshot_module.architecture_parameters.architecture()  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("name", ["ssr", "darts"])
@pytest.mark.parametrize("arch_split", [None, 0.5])
def test_no_validation_image_reaches_a_training_step(
    name: str, arch_split: float | None, tmp_path: Path, seen: Seen
) -> None:
    """The whole search as the command runs it."""
    options = SearchOptions(
        strategy=name,
        epochs=2,
        device="cpu",
        data=DataOptions(size="32x40", batch=2),
        method=MethodOptions(warmup=0.0, arch_split=arch_split),
        train=TrainOptions(augmentation="shift"),  # an image is known by its colour
    )
    Search(options, data(), tmp_path).execute()
    architecture, weights = set().union(*seen.steps[0::2]), set().union(*seen.steps[1::2])  # the steps alternate
    assert architecture <= TRAIN and weights <= TRAIN and seen.trained <= TRAIN
    assert VAL <= seen.scored  # validation images were there, and went to validation
    if arch_split is None:
        assert architecture == weights == TRAIN
    else:
        assert len(architecture) == len(weights) == 4 and not architecture & weights


@pytest.mark.parametrize("name", NNI)
def test_none_reaches_a_training_step_of_nnis(
    name: str, tiny: Callable[..., SpaceConfig], tmp_path: Path, seen: Seen
) -> None:
    run(JointSpace(tiny(), 3), NNI[name](), tmp_path, epochs=2)
    assert set().union(*seen.steps) == TRAIN and seen.trained <= TRAIN
    assert VAL <= seen.scored


@pytest.mark.parametrize("name", ["ssr", "darts", "nni"])
def test_the_proof_can_fail(name: str, tiny: Callable[..., SpaceConfig], tmp_path: Path, seen: Seen) -> None:
    """The trap itself: what the evaluator is given as validation becomes the architecture's training stream."""
    strategy = NNIDARTS() if name == "nni" else create_strategy(name, MethodOptions(warmup=0.0), 0)
    run(JointSpace(tiny(), 3), strategy, tmp_path, second=BatchStream(split(VAL), 2, 0, ARCHITECTURE))
    assert VAL <= set().union(*seen.steps) and VAL <= seen.trained
