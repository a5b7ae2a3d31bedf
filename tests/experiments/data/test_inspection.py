from pathlib import Path

import numpy as np

from experiments.data.files import Array, DataError
from experiments.data.inspection import inspect
from experiments.data.source import DataSource, Sample


def sample(name: str, image: Array, label: Array) -> Sample:
    return Sample(name, None, None, lambda: (image, label))


def broken(name: str, values: dict[str, int]) -> Sample:
    def read() -> tuple[Array, Array]:
        raise DataError("unknown value", Path(name), "no class", values=values)

    return Sample(name, Path(name), Path(name), read)


def source(train: list[Sample], val: list[Sample]) -> DataSource:
    return DataSource("made", ("one", "two"), ((0, 0, 0), (1, 1, 1)), {"train": train, "val": val})


def picture(value: int, height: int = 4, width: int = 6) -> Array:
    return np.full((height, width, 3), value, np.uint8)


def label(*values: int, height: int = 4, width: int = 6) -> Array:
    return np.resize(np.array(values, np.uint8), (height, width))


def test_counts_against_all_labels_at_once() -> None:
    train = [sample("a", picture(1), label(0, 1, 255)), sample("b", picture(2, 3, 5), label(0, height=3, width=5))]
    result = inspect(source(train, [sample("c", picture(3), label(1, 0))]))
    report = result.splits["train"]
    values = np.concatenate([one.read()[1].ravel() for one in train])
    assert (
        report.pixels.tolist() == [(values == 0).sum(), (values == 1).sum()]
        and report.ignored == (values == 255).sum() == 8
    )
    assert report.sizes == ((3, 5), (4, 6)) and report.frequencies.sum() == 1
    assert result.usable and result.problems == []


def test_generated_images_in_two_splits_are_found_by_their_pixels() -> None:
    train = [
        sample("a", picture(1), label(0, 1)),
        sample("b", picture(1), label(1, 0)),
    ]  # twice in one split is no leak
    result = inspect(
        source(
            train, [sample("c", picture(1), label(0, 1)), sample("d", picture(1, 6, 4), label(0, 1, height=6, width=4))]
        )
    )
    kinds = [(problem.kind, str(problem)) for problem in result.problems]
    assert (
        [kind for kind, _ in kinds][0] == "in two splits" and "c: the same image as a" in kinds[0][1] and result.usable
    )


def test_unknown_values_are_added_up() -> None:
    train = [
        broken("a", {"value 9": 1, "value 8": 5}),
        broken("b", {"value 9": 10}),
        sample("c", picture(1), label(0, 1)),
    ]
    result = inspect(source(train, [broken("d", {"value 8": 1})]))
    assert [(row["value"], row["first"], row["files"], row["pixels"]) for row in result.unknown] == [
        ("value 9", "a", 2, 11),
        ("value 8", "a", 2, 6),
    ]
    assert not result.usable and result.splits["val"].images == 1 and result.splits["val"].sizes == ()
    assert (result.splits["val"].frequencies == 0).all() and result.splits["val"].ignored_share == 0
