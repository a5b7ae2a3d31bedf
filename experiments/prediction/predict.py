"""Images and films, one after the other: an input that fails is told at once, and the others go on."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments.model_file import ModelInfo
from experiments.prediction.films import Film, predict_film
from experiments.prediction.images import predict_image
from experiments.prediction.inputs import Source
from experiments.prediction.segmenter import TorchSegmenter
from nas_space.errors import InputError


@dataclass
class Predictions:
    """What has been predicted, and what has not.

    Args:
        images: a row an image.
        films: a row a film.
        failed: a line for each input that could not be used.
    """

    images: list[dict[str, Any]] = field(default_factory=list)
    films: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def fail(self, reason: str) -> None:
        """Print the reason at once, in one line, and keep it."""
        self.failed.append(" ".join(reason.split()))
        tqdm.write(f"ssr-nas predict: {self.failed[-1]}", file=sys.stderr)

    @property
    def frames(self) -> int:
        """Frames of all films."""
        return sum(film["frames"] for film in self.films)


@dataclass(frozen=True)
class Predictor:
    """A network, and where its predictions are written.

    Args:
        segmenter: the network.
        info: its classes and colours.
        folder: of the results.
        limit: most frames of a film or camera; None for all.
        predictions: what is done so far.
    """

    segmenter: TorchSegmenter
    info: ModelInfo
    folder: Path
    limit: int | None = None
    predictions: Predictions = field(default_factory=Predictions)

    def predict(self, sources: Sequence[Source]) -> None:
        """Predict all sources, with a progress bar if there are several.

        Raises:
            KeyboardInterrupt: the user has interrupted it; the message says where the results are.
        """
        try:
            for source in tqdm(sources, desc="predict", unit="file", disable=None if len(sources) > 1 else True):
                try:
                    self._predict(source)
                except InputError as error:
                    self.predictions.fail(str(error))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what is done is in {self.folder}") from None

    def predict_film(self, film: Film, name: str) -> dict[str, Any]:
        """Predict one film or camera; returns its row."""
        row = predict_film(film, self.segmenter, self.info, self.folder / "overlay" / f"{name}.mp4", self.limit)
        self.predictions.films.append({"source": str(film.source), "name": name, **row})
        return row

    def _predict(self, source: Source) -> None:
        if not source.is_video:
            self.predictions.images.append(predict_image(source, self.segmenter, self.info, self.folder))
            return
        row = self.predict_film(Film(source.path), source.name)
        if row["damaged"]:
            self.predictions.fail(f"{source.path}: ends after {row['frames']} of {row['promised']} frames; damaged?")
