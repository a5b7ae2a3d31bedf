"""What a report says of weak classes, of those without a score, and of a whole photo."""

from typing import Any

import numpy as np
import pytest
import torch

from experiments.fit.deliver import TIMED, time_photo
from experiments.fit.page import network_rows, unscored
from experiments.fit.score import Validation


def validation(confusion: list[list[int]], *classes: str) -> Validation:
    segmenter: Any = None
    return Validation(torch.tensor(confusion), [], [], classes, (), segmenter)


def test_weak_classes_say_what_they_are_taken_for() -> None:
    confusion = [[90, 10, 0, 0], [30, 20, 50, 0], [0, 0, 100, 0], [0, 0, 0, 0]]
    assert validation(confusion, "wall", "tree", "road", "stair").weakest() == [
        "tree: IoU 18.2 %; 20 % of its pixels are found; taken for it: wall (33 %); "
        "it is taken for: road (50 %), wall (30 %)."
    ]


def test_a_rare_class_says_what_is_taken_for_it() -> None:
    lines = validation([[800, 200, 0], [1, 9, 0], [0, 0, 500]], "wall", "stair", "road").weakest()
    assert lines == [
        "stair: IoU 4.3 %; 90 % of its pixels are found; taken for it: wall (96 %); it is taken for: wall (10 %)."
    ]


def test_a_class_that_nobody_labelled_and_the_network_sees_is_weak_too() -> None:
    assert validation([[8, 2], [0, 0]], "wall", "stair").weakest() == [
        "stair: IoU 0.0 %; no pixel is labelled so; taken for it: wall (100 %)."
    ]


def test_three_classes_are_named_at_most_and_strong_ones_not() -> None:
    confusion = torch.eye(5, dtype=torch.long) + 3
    names = ("a", "b", "c", "d", "e")
    assert len(validation(confusion.tolist(), *names).weakest()) == 3
    assert validation((torch.eye(5, dtype=torch.long) * 9).tolist(), *names).weakest() == []


@pytest.mark.parametrize("none", [None, float("nan")])
def test_classes_without_a_score_are_named(none: float | None) -> None:
    assert unscored({"a": 0.2, "b": 0.4}) == ""
    assert unscored({"a": 0.2, "b": none}).startswith("No validation image has b: its quality is unknown")
    assert unscored({"a": 0.2, "b": none, "c": none}) == (
        "No validation image has b or c: their quality is unknown, and mIoU is the mean of the other 1."
    )


def test_a_whole_photo_is_timed() -> None:
    seen: list[tuple[int, ...]] = []
    told = time_photo(lambda image: seen.append(image.shape), np.zeros((4, 6, 3), np.uint8))
    assert seen == [(4, 6, 3)] * TIMED and told["size"] == [4, 6] and told["ms"] > 0


def test_the_rounds_of_the_race_are_told_apart() -> None:
    networks = [{"name": "a", "ms": 1.0, "mious": [0.5, 0.6]}, {"name": "b", "ms": 1.0, "mious": [0.7]}]
    point = {"name": "1ms", "tried": [], "hand_made": [], "race": {"networks": networks}, "chosen": {"name": "a"}}
    assert [(row["race"], row["rounds"]) for row in network_rows([point])] == [(0.5, [0.5, 0.6]), (0.7, [0.7])]
