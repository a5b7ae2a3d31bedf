"""One differentiable search of a known world, from options to what it has found."""

from dataclasses import asdict
from typing import Any

import nni.nas.strategy  # noqa: F401  # first: NNI's packages import each other in a circle
import pytorch_lightning as pl
from nni.nas.evaluator.pytorch import Lightning, Trainer
from pytorch_lightning.callbacks import Callback

from experiments.examples.nas_bench.entrants import ENTRANTS
from experiments.examples.nas_bench.images import Batches, Images
from experiments.examples.nas_bench.options import NasBenchOptions
from experiments.examples.nas_bench.training import Classifier
from experiments.examples.nas_bench.worlds import World
from experiments.search.nni_experiment import local_experiment
from experiments.training.lightning import silence_lightning
from strategies.registry import create_strategy

History = dict[int, dict[str, dict[str, float]]]
"""By epoch, from 1, by label, by candidate."""


class ProbabilityHistory(Callback):
    """Keeps all probabilities after every epoch: a callback comes before the search's own end of an epoch."""

    def __init__(self) -> None:
        self.history: History = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.history[trainer.current_epoch + 1] = pl_module.export_probs()


def search(
    world: World, entrant: str, seed: int, images: Images, options: NasBenchOptions
) -> tuple[dict[str, Any], History]:
    """Search a network.

    Args:
        world: where.
        entrant: a name of ``ENTRANTS``.
        seed: of weights, logits and batches.
        images: the first half trains the weights, the second half the architecture.
        options: of the experiment.

    Returns:
        ``sample``, ``discrete``, ``discrete_epoch``, ``entropy`` (nats, of all choices, at the end) and ``removals``;
        and the probabilities of all epochs.
    """
    pl.seed_everything(seed, verbose=False)
    silence_lightning()
    half = len(images.labels) // 2
    parts = [images.part(0, half), images.part(half, 2 * half)]
    streams = [Batches(part, options.batch, options.steps, 2 * seed + k) for k, part in enumerate(parts)]
    probabilities = ProbabilityHistory()
    trainer = Trainer(
        max_epochs=options.epochs,
        accelerator="cpu" if options.device == "cpu" else "gpu",
        devices=1,
        callbacks=[probabilities],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    strategy = create_strategy(ENTRANTS[entrant].strategy, ENTRANTS[entrant].method(), seed)
    evaluator = Lightning(Classifier(options.epochs), trainer, *streams)
    with local_experiment(world.make(options), evaluator, strategy) as experiment:
        experiment.run()
        (sample,) = experiment.export_top_models(formatter="dict")
    module = strategy.oneshot_module
    parameters = module.architecture_parameters
    found = {
        "sample": dict(sample),
        "discrete": parameters.alive.is_discrete(),
        "discrete_epoch": module.discrete_epoch,
        "entropy": sum(map(float, parameters.entropies().values())),
        "removals": [asdict(removal) for removal in strategy.removals],
    }
    return found, probabilities.history
