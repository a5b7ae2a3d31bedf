"""What all kinds of search share: what they are made from, and the files that they leave at their end."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from experiments.data import SegmentationData, split_halves
from experiments.data.frequency import class_weights
from experiments.data.streams import val_stream
from experiments.report.figures import png
from experiments.report.gallery import validation_figure
from experiments.runs.folder import write_atomic, write_json, write_metrics
from experiments.search.options import SearchOptions
from experiments.search.summary import Outcome, search_summary
from nas_space.architecture import Architecture
from strategies.constraint import Constraint

Row = Mapping[str, Any]


class BaseSearch(ABC):
    """A search that is ready to run.

    Args:
        options: checked options.
        data: the data set that they name.
        run: the run's folder, existing.
        constraint: bounds on the found network's cost.
        on_row: called with every row of ``metrics.csv``, before the file holds it.
        held_out: share of the training images in the second of ``self.parts``; if absent, both parts hold all images.
    """

    def __init__(
        self,
        options: SearchOptions,
        data: SegmentationData,
        run: Path,
        constraint: Constraint | None = None,
        on_row: Callable[[Row], None] | None = None,
        held_out: float | None = None,
    ) -> None:
        self.options, self.data, self.run, self.constraint, self.on_row = options, data, run, constraint, on_row
        self.device = options.resolved_device
        self.num_classes = len(data.classes)
        train = data.train.to(self.device)
        self.parts = (train, train) if held_out is None else split_halves(train, 1.0 - held_out, options.seed)
        self.validation = val_stream(data.val.to(self.device), options.data.batch)
        self.class_weights = class_weights(train.labels, self.num_classes, stride=self.validation.label_stride).cpu()

    @abstractmethod
    def execute(self, checkpoint: Path | None = None) -> dict[str, Any]:
        """Search to the end and write the run's files.

        Args:
            checkpoint: continue from it.

        Returns:
            The content of ``search.json``.
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
