"""What all kinds of search share: what they are made from, and the files that they leave at their end."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from experiments.data import SegmentationData, Split, split_halves
from experiments.data.crops import CropStream
from experiments.data.frequency import class_weights
from experiments.data.streams import BatchStream, val_stream
from experiments.latency.wording import describe_clock
from experiments.metrics.evaluation import Scores, evaluate
from experiments.model_file import WEIGHTS, ModelInfo, save_weights
from experiments.options.groups import IGNORE, parse_size
from experiments.report import gallery
from experiments.report.figures import png
from experiments.runs.decoration import decoration
from experiments.runs.environment import device_name, versions
from experiments.runs.files import write_atomic, write_json
from experiments.runs.folder import write_metrics
from experiments.runs.measure import peak_memory_mib
from experiments.runs.processes import rank
from experiments.runs.threads import Threads
from experiments.search.bounds import TABLE
from experiments.search.options import SearchOptions
from nas_space.architecture import Architecture
from nas_space.cost import cost
from nas_space.latency import LatencyTable
from strategies.alive import LEVELS
from strategies.constraint import Constraint
from strategies.shrinking import Removal

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """The result of a search; by default, of one that had nothing to decide.

    Args:
        architecture: the found network.
        miou: ``supernet`` and ``derived``, in [0, 1], on the validation set with labels at 1/8, where a search looks;
            ``derived_full`` with the labels' own size, as a retraining is scored; None where nobody has scored it.
        gap: ``loss_supernet``, ``loss_derived``, ``max_logit_difference``.
        alive: survivors of each level at the end.
        entropy: final entropy of each level, in nats.
        discrete: whether no choice had to be cut by argmax.
        discrete_epoch: after which epoch every choice had one survivor; None if never, or for sampled networks.
        removals: all candidates that left, in order.
        gap_before: the gap at the last epoch that was not discrete, None if all were.
        per_class: IoU of each class in [0, 1], scored as ``derived_full``; NaN for a class that nobody has seen.
    """

    architecture: Architecture
    miou: Mapping[str, float | None]
    gap: Mapping[str, float]
    alive: Mapping[str, int]
    entropy: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(LEVELS, 0.0))
    discrete: bool = True
    discrete_epoch: int | None = None
    removals: Sequence[Removal] = ()
    gap_before: Mapping[str, float] | None = None
    per_class: Sequence[float] = ()


@dataclass(eq=False, repr=False)
class BaseSearch(ABC):
    """A search that is ready to run.

    Args:
        options: checked options.
        data: the data set that they name.
        run: the run's folder, existing.
        constraint: bounds on the found network's cost.
        on_row: called with every row of ``metrics.csv``, before the file holds it.
        threads: measured again between two steps; None for those that torch has.
    """

    options: SearchOptions
    data: SegmentationData
    run: Path
    constraint: Constraint | None = None
    on_row: Callable[[Row], None] | None = None
    threads: Threads | None = None

    def __post_init__(self) -> None:
        self.device = self.options.resolved_device
        self.num_classes = len(self.data.classes)
        train, share = self.data.train.to(self.device), self.held_out_share
        parts = (train, train) if share is None else split_halves(train, 1.0 - share, self.options.seed)
        self.validation = val_stream(self.data.val.to(self.device), self.options.data.batch)
        # One image at a time: logits at the labels' size take 64 times the memory of the search's own.
        self.full_validation = val_stream(self.validation.split, 1, label_stride=1)
        self.class_weights = class_weights(train.labels, self.num_classes, stride=self.validation.label_stride).cpu()
        self.build(*parts)

    @property
    def held_out_share(self) -> float | None:
        """Share of the training images that only the choice of the architecture sees; None: both see all of them."""
        return self.options.method.arch_split

    @abstractmethod
    def build(self, weights: Split, architecture: Split) -> None:
        """Make what this kind of search needs, from the images for the weights and those for the architecture."""

    @abstractmethod
    def execute(self, checkpoint: Path | None = None) -> dict[str, Any]:
        """Search to the end and write the run's files.

        Args:
            checkpoint: continue from it.

        Returns:
            The content of ``search.json``; nothing in a follower, which writes no file.
        """

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Report the last row, then write all of them to ``metrics.csv``."""
        named = self._named(rows)
        if self.on_row is not None:
            self.on_row(named[-1])
        write_metrics(self.run, named)

    def _named(self, rows: Sequence[Row]) -> list[Row]:
        """The rows with the resolution of the labels that their scores belong to."""
        return [{**row, "miou_resolution": self.validation.resolution} for row in rows]

    def full_scores(self, network: nn.Module) -> Scores:
        """Scores with the labels' own size, as a retraining is scored; the loss is the plain cross-entropy."""
        loss = nn.CrossEntropyLoss(ignore_index=IGNORE)
        return evaluate(network, self.full_validation, loss, self.num_classes)

    def draw_validation(self, network: nn.Module) -> None:
        """Write ``figures/validation.png``: what a network makes of some validation images. It is no result."""
        file = self.run / "figures" / "validation.png"
        with decoration(f"the figure {file}"):
            file.parent.mkdir(exist_ok=True)
            write_atomic(file, png(gallery.validation_figure(network, self.validation.split, self.data)))

    def write_snapshot(
        self,
        name: str,
        epoch: int,
        architecture: Architecture,
        miou: float,
        bounded: Row,
        trained: nn.Module | None = None,
    ) -> dict[str, Any]:
        """Write ``snapshots/<name>.json``, and ``<name>.safetensors`` of a trained network.

        Args:
            name: of the files.
            epoch: or number of the network.
            architecture: the network.
            miou: its score.
            bounded: its costs that have bounds.
            trained: the same with trained weights; absent, none are written.

        Returns:
            The network's row of ``pareto.json``.
        """
        file = f"snapshots/{name}.json"
        (self.run / "snapshots").mkdir(exist_ok=True)
        write_atomic(self.run / file, architecture.to_json())
        row: dict[str, Any] = {"epoch": epoch, "file": file}
        if trained is not None:
            row["weights"] = f"snapshots/{name}.safetensors"
            self.write_weights(row["weights"], architecture, trained)
        exact = asdict(cost(architecture, self.options.cost_size, self.num_classes, self.options.counted_head))
        return {**row, "miou": miou, "miou_resolution": self.validation.resolution, **bounded, **exact}

    def write_weights(self, file: str, architecture: Architecture, network: nn.Module) -> None:
        """Write ``file`` in the run's folder: a network with a search's head, for ``load_model``."""
        data, size = self.data, parse_size(self.options.data.size)
        head, bits = architecture.space.heads[0], data.image_bits
        info = ModelInfo(architecture, head, data.classes, data.colours, size, data.name, image_bits=bits)
        save_weights(self.run / file, network, info)

    def summarise(self, outcome: Outcome, rows: Sequence[Row]) -> dict[str, Any]:
        """The content of ``search.json``, from the outcome and the rows of ``metrics.csv``."""
        options, space, size = self.options, outcome.architecture.space, self.options.cost_size
        resolutions = {"resolution": self.validation.resolution, "resolution_full": self.full_validation.resolution}
        exact = cost(outcome.architecture, size, self.num_classes, options.counted_head)
        final = outcome.entropy
        per_level = {level: {"first_epoch": rows[0][f"entropy_{level}"], "final": final[level]} for level in LEVELS}
        entropy = {"initial": space.sizes()["entropy_nats"], "final": sum(final.values()), "per_level": per_level}
        total_s = sum(row["seconds"] + row["seconds_validation"] for row in rows)
        alive = [{"epoch": row["epoch"], **{level: row[f"alive_{level}"] for level in LEVELS}} for row in rows]
        summary: dict[str, Any] = {"strategy": options.strategy, "seed": options.seed, "space": asdict(space)}
        summary |= {"dataset": self.data.name, "epochs": options.epochs, "discrete": outcome.discrete}
        summary |= {
            "discrete_epoch": outcome.discrete_epoch,
            "removals": [asdict(removal) for removal in outcome.removals],
            "entropy": entropy,
            "miou": {**outcome.miou, **resolutions},
            "per_class": dict(zip(self.data.classes, outcome.per_class, strict=True)),
            "weights": WEIGHTS if outcome.discrete else None,
            "gap": dict(outcome.gap),
            "gap_before": outcome.gap_before,
            "cost": {**asdict(exact), "size": f"{size[0]}x{size[1]}", "head": options.counted_head},
            "time": {"total_s": total_s, "epoch_s": [row["seconds"] for row in rows]},
            "peak_memory_mb": peak_memory_mib(self.device),
            "alive": [*alive, {"epoch": len(rows) + 1, **outcome.alive}],
            "versions": versions(),
            "device": device_name(self.device),
        }
        bounds = {} if self.constraint is None else self.constraint.report(outcome.architecture)
        table = self.run / TABLE
        clock = {"clock": describe_clock(LatencyTable.load(table))} if table.is_file() else {}
        return {**summary, **bounds, **clock}

    def complete(self, summary: dict[str, Any], rows: Sequence[Row], architecture: Architecture) -> dict[str, Any]:
        """Write the files that end a run, after all others; ``search.json`` comes last. Returns the summary."""
        write_metrics(self.run, self._named(rows))
        write_atomic(self.run / "architecture.json", architecture.to_json())
        write_json(self.run / "search.json", summary)
        return summary


def search_stream(options: SearchOptions, split: Split, stream: int) -> BatchStream:
    """A training stream of a search, in this process."""
    batch, seed, world = options.data.batch, options.seed, options.devices
    if options.train.augmentation == "crop":
        return CropStream(split, batch, seed, parse_size(options.data.size), stream=stream, rank=rank(), world=world)
    return BatchStream(split, batch, seed, stream, rank=rank(), world=world)
