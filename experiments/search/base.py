"""What all kinds of search share: what they are made from, and the files that they leave at their end."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from experiments.data import SegmentationData, Split, split_halves
from experiments.data.frequency import class_weights
from experiments.data.streams import val_stream
from experiments.report.figures import png
from experiments.report.gallery import validation_figure
from experiments.runs.folder import write_atomic, write_json, write_metrics
from experiments.search.options import SearchOptions
from experiments.search.summary import Outcome, search_summary
from nas_space.architecture import Architecture
from nas_space.cost import cost
from strategies.constraint import Constraint

Row = Mapping[str, Any]


@dataclass(eq=False, repr=False)
class BaseSearch(ABC):
    """A search that is ready to run.

    Args:
        options: checked options.
        data: the data set that they name.
        run: the run's folder, existing.
        constraint: bounds on the found network's cost.
        on_row: called with every row of ``metrics.csv``, before the file holds it.
    """

    options: SearchOptions
    data: SegmentationData
    run: Path
    constraint: Constraint | None = None
    on_row: Callable[[Row], None] | None = None

    def __post_init__(self) -> None:
        self.device = self.options.resolved_device
        self.num_classes = len(self.data.classes)
        train, share = self.data.train.to(self.device), self.held_out_share
        parts = (train, train) if share is None else split_halves(train, 1.0 - share, self.options.seed)
        self.validation = val_stream(self.data.val.to(self.device), self.options.data.batch)
        self.class_weights = class_weights(train.labels, self.num_classes, stride=self.validation.label_stride).cpu()
        self.build(*parts)

    @property
    def held_out_share(self) -> float | None:
        """Share of the training images that only the choice of the architecture sees; None: both see all of them."""
        return self.options.method.arch_split

    @abstractmethod
    def build(self, weights: Split, architecture: Split) -> None:
        """Make what the kind of search needs, from the images that train the weights and those that choose."""

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
        if self.on_row is not None:
            self.on_row(rows[-1])
        write_metrics(self.run, rows)

    def draw_validation(self, network: nn.Module) -> None:
        """Write ``figures/validation.png``: what a network makes of some validation images."""
        (self.run / "figures").mkdir(exist_ok=True)
        figure = validation_figure(network, self.validation.split, self.data)
        write_atomic(self.run / "figures" / "validation.png", png(figure))

    def write_snapshot(
        self, name: str, epoch: int, architecture: Architecture, miou: float, bounded: Mapping[str, float]
    ) -> dict[str, Any]:
        """Write ``snapshots/<name>.json``; returns the network's row of ``pareto.json``, with the ``bounded`` costs."""
        file = f"snapshots/{name}.json"
        (self.run / "snapshots").mkdir(exist_ok=True)
        write_atomic(self.run / file, architecture.to_json())
        exact = asdict(cost(architecture, self.options.cost_size, self.num_classes))
        return {"epoch": epoch, "file": file, "miou": miou, **bounded, **exact}

    def summarise(self, outcome: Outcome, rows: Sequence[Row]) -> dict[str, Any]:
        """The content of ``search.json``, the bounds' among it."""
        summary = search_summary(self.options, self.data, outcome, rows)
        if self.constraint is not None:
            summary["constraint"] = self.constraint.summary(outcome.architecture)
        return summary

    def complete(self, summary: dict[str, Any], rows: Sequence[Row], architecture: Architecture) -> dict[str, Any]:
        """Write the files that end a run, after all others; ``search.json`` comes last. Returns the summary."""
        write_metrics(self.run, rows)
        write_atomic(self.run / "architecture.json", architecture.to_json())
        write_json(self.run / "search.json", summary)
        return summary
