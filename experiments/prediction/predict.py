"""Images and films, one after the other: an input that fails is told at once, and the others go on."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments.model_file import ModelInfo
from experiments.prediction.film_reader import Frames, open_film
from experiments.prediction.films import predict_film
from experiments.prediction.images import predict_image
from experiments.prediction.inputs import Source
from experiments.prediction.segmenter import TorchSegmenter
from nas_space.errors import InputError


@dataclass
class Predictions:
    """What has been predicted, and what has not.

    Args:
        images: a row for each image.
        films: a row for each film.
        failed: a line for each input that could not be used.
    """

    images: list[dict[str, Any]] = field(default_factory=list)
    films: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add_image(self, row: dict[str, Any]) -> None:
        """Keep the row; tell the first image of 16 bits that was read as one of fewer."""
        bits = row.get("assumed_bits")
        if bits is not None and all(bits != other.get("assumed_bits") for other in self.images):
            why = f"its 16-bit samples all fit {bits} bits, and the network was not trained on 16-bit images"
            tqdm.write(f"{row['source']}: read as an image of {bits} bits ({why})", file=sys.stderr)
        self.images.append(row)

    def fail(self, reason: str) -> None:
        """Print the reason at once, in one line, and keep it."""
        self.failed.append(" ".join(reason.split()))
        tqdm.write(f"ssr-nas predict: {self.failed[-1]}", file=sys.stderr)


def predict_all(
    sources: Sequence[Source],
    camera: Frames | None,
    segmenter: TorchSegmenter,
    info: ModelInfo,
    folder: Path,
    limit: int | None,
    predictions: Predictions,
) -> None:
    """Predict the camera, then all sources, with a progress bar if there are several.

    Args:
        sources: images and films.
        camera: one that is open, or None.
        segmenter: the network.
        info: its classes and colours.
        folder: of the results.
        limit: most frames of a film or of the camera; None for all.
        predictions: where the results are added.

    Raises:
        InputError: the camera gives no frame.
        KeyboardInterrupt: the user has interrupted it; the message says where the results are.
    """

    def film(source: Frames, name: str) -> dict[str, Any]:
        if source.remark is not None:
            tqdm.write(f"{source.source}: {source.remark}", file=sys.stderr)
        row = predict_film(source, segmenter, info, folder / "overlay" / f"{name}.mp4", limit)
        predictions.films.append({"source": str(source.source), "name": name, **row})
        if row["resized_from"] is not None:
            change = f"frame {row['resized_from']} and others have another size than the first ({row['size']})"
            tqdm.write(f"{source.source}: {change}; they are fitted to it", file=sys.stderr)
        return row

    if camera is not None:
        film(camera, f"camera-{camera.source}")
    try:
        for source in tqdm(sources, desc="predict", unit="file", disable=None if len(sources) > 1 else True):
            try:
                if not source.is_video:
                    predictions.add_image(predict_image(source, segmenter, info, folder))
                elif (damage := film(open_film(source.path), source.name)["damage"]) is not None:
                    hint = "what could be read is done; copy the file again if it should be whole"
                    predictions.fail(f"{source.path}: {damage}: damaged? {hint}")
            except InputError as error:
                predictions.fail(str(error))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what is done is in {folder}") from None
