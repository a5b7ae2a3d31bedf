from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.cli import main
from experiments.commands import data_check
from experiments.data import load
from experiments.data.dataset import LabelCounts
from experiments.data.files import Array
from experiments.data.label_counts import count_label, count_values, sampled, stack
from experiments.data.memory import resize_label
from experiments.data.presence import absent_classes, check_classes, covered_classes, keeping_size, vanishing_classes
from experiments.data.source import DataSource, Sample
from experiments.data.transforms import downsample_labels
from experiments.options.groups import DataOptions
from nas_space.errors import InputError


def source(labels: list[Array]) -> DataSource:
    def made(label: Array) -> Sample:
        return Sample("a", Path("a"), Path("a"), lambda: (np.zeros((*label.shape, 3), np.uint8), label))

    samples = [made(label) for label in labels]
    colours = ((0, 0, 0), (1, 1, 1))
    return DataSource(
        "made", ("soil", "plant"), colours, {"train": samples, "val": samples}, values=("value 7", "value 9")
    )


def counts(labels: list[Array], size: tuple[int, int] = (32, 40)) -> LabelCounts:
    return stack(count_label(label, size) for label in labels)


def dot(height: int = 320, width: int = 400, marked: int = 1) -> Array:
    label = np.zeros((height, width), np.uint8)
    label[101 : 101 + marked, 203 : 203 + marked] = 1
    return label


def trained_on(label: Array, size: tuple[int, int], stride: int = 1) -> Array:
    """What a training sees of a label."""
    resized = resize_label(label, size)
    return resized if stride == 1 else np.asarray(downsample_labels(torch.from_numpy(resized)[None], stride)[0])


def of(*values: int) -> Array:
    return np.resize(np.array(values, np.uint8), (32, 40))


@pytest.mark.parametrize("size", [(32, 40), (37, 45), (96, 128), (250, 330), (400, 700)])
def test_sampling_is_that_of_training(size: tuple[int, int]) -> None:
    label = np.random.default_rng(0).integers(0, 255, (241, 319), dtype=np.uint8)
    for stride in (1, 8):
        trained, remaining = trained_on(label, size, stride), sampled(label, size, stride)
        assert (np.unique(remaining) == np.unique(trained)).all()
        if size < label.shape:  # nothing is repeated
            assert (remaining == trained).all()
    assert sampled(label, (65000, 65000)).shape == label.shape  # no matter how large


def test_counts() -> None:
    label = np.random.default_rng(0).integers(0, 256, (30, 41), dtype=np.uint8)
    assert (count_values(label) == np.bincount(label.ravel(), minlength=256)).all()
    assert (count_values(np.asfortranarray(label)[:, ::2]) == np.bincount(label[:, ::2].ravel(), minlength=256)).all()


def test_an_absent_class_is_told_with_its_value_and_stops() -> None:
    labels = [of(0, 255)]
    (problem,) = absent_classes(source(labels), "train", counts(labels), DataOptions())
    assert problem.stops and "class plant (value 9) never occurs" in str(problem)
    assert "50 % of the pixels are ignored (255" in str(problem) and "--data.allow_absent true" in str(problem)
    (problem,) = absent_classes(source(labels), "train", counts(labels), DataOptions(allow_absent=True))
    assert not problem.stops
    (problem,) = absent_classes(source(labels), "train", counts(labels), DataOptions(limit=1))
    assert problem.stops and "data.limit" not in str(problem)
    (problem,) = absent_classes(source(labels), "train", counts(labels), DataOptions(limit=1), beyond={1})
    assert not problem.stops and "never occurs in what data.limit 1 leaves" in str(problem)
    (problem,) = absent_classes(source(labels), "val", counts(labels), DataOptions())
    assert not problem.stops
    assert absent_classes(source(labels), "train", counts([of(0, 1)]), DataOptions()) == []
    assert absent_classes(source(labels), "train", counts([of(255)]), DataOptions()) == []  # no label at all


def test_ignored_pixels_that_take_turns_with_a_class() -> None:
    labels = [of(0, 1), of(0, 1), of(0, 255), of(0, 255)]
    (problem,) = covered_classes(source(labels), "train", counts(labels))
    assert "class plant (value 9)" in str(problem) and "never both" in str(problem) and not problem.stops
    assert covered_classes(source(labels), "train", counts([*labels, of(1, 255)])) == []  # they meet
    assert covered_classes(source(labels), "train", counts([of(0, 1), of(0, 255)])) == []  # too few to tell


def test_a_class_that_vanishes_is_told_with_the_size_that_keeps_it() -> None:
    labels = [dot()]
    found = vanishing_classes(source(labels), counts(labels), DataOptions(size="32x40"), (1, 8))
    assert [problem.stops for problem in found] == [True, False]
    for problem, stride in zip(found, (1, 8), strict=True):
        size = str(problem).partition("--data.size ")[2].split()[0]
        height, width = map(int, size.split("x"))
        assert (trained_on(labels[0], (height, width), stride) == 1).any()
    allowed = vanishing_classes(source(labels), counts(labels), DataOptions(size="32x40", allow_absent=True), (1,))
    assert [problem.stops for problem in allowed] == [False]
    beyond = vanishing_classes(source(labels), counts(labels), DataOptions(size="32x40", limit=1), (1,), beyond={1})
    assert [problem.stops for problem in beyond] == [False]
    large = [dot(marked=90)]
    assert vanishing_classes(source(large), counts(large), DataOptions(size="32x40"), (1, 8)) == []


def test_the_size_that_keeps_half_of_the_labels() -> None:
    labels = [dot(), dot(marked=90)]
    assert keeping_size(labels, 1, (32, 40)) == (32, 40)
    size = keeping_size([dot(), dot()], 1, (32, 40))
    assert size is not None and size > (32, 40) and (trained_on(dot(), size) == 1).any()
    assert keeping_size([of(0)], 1, (32, 40)) is None


def write_set(root: Path, *train: Array) -> DataOptions:
    """A ``folder`` of two classes with these training labels; the validation labels hold both."""
    for split, labels in (("train", train), ("val", (of(0, 1), of(0, 1)))):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for number, label in enumerate(labels):
            noise = np.random.default_rng([len(split), number]).integers(0, 255, (*label.shape, 3), dtype=np.uint8)
            Image.fromarray(noise).save(root / split / "images" / f"{number}.png")
            Image.fromarray(label).save(root / split / "masks" / f"{number}.png")
    (root / "classes.csv").write_text("name,id,colour\nsoil,0,#000000\nplant,1,#ffffff\n")
    return DataOptions(name="folder", root=str(root), size="32x40")


def test_a_limit_excuses_what_the_other_labels_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = write_set(tmp_path / "has", of(0), of(0), of(0), of(0, 1))
    limited = replace(options, limit=2)
    check_classes(load(limited), limited, (1,))
    assert "train: class plant (value 1) never occurs in what data.limit 2 leaves" in capsys.readouterr().err
    check_classes(load(options), options, (1,))
    assert "never occurs" not in capsys.readouterr().err
    assert data_check.run(data_check.Options(limited))["usable"]


def test_a_class_without_a_score_is_told_before_a_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = write_set(tmp_path / "set", of(0, 1), of(0, 1))
    for mask in (tmp_path / "set" / "val" / "masks").iterdir():
        Image.fromarray(of(0)).save(mask)
    check_classes(load(options), options, (1,))
    assert "note: val: class plant (value 1) never occurs; it gets no score" in capsys.readouterr().err


@pytest.mark.parametrize("limit", [None, 2, 4, 9])
def test_a_class_that_no_training_label_has_stops_with_any_limit(limit: int | None, tmp_path: Path) -> None:
    options = replace(write_set(tmp_path / "set", of(0), of(0), of(0), of(0)), limit=limit)
    data = load(options)
    with pytest.raises(InputError, match=r"class plant \(value 1\) never occurs; it is never learnt.*allow_absent"):
        check_classes(data, options, (1,))
    check_classes(data, replace(options, allow_absent=True), (1,))
    check_classes(data, options, (1,), goes_on=True)
    assert not data_check.run(data_check.Options(options))["usable"]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_class_that_vanishes_in_every_label_stops_with_any_limit(limit: int, tmp_path: Path) -> None:
    options = replace(write_set(tmp_path / "set", dot(), dot(marked=1 if limit == 2 else 90)), limit=limit)
    data = load(options)
    if limit == 1:  # the other label keeps it
        check_classes(data, options, (1,))
        return
    with pytest.raises(InputError, match="but none at data.size 32x40"):
        check_classes(data, options, (1,))


@pytest.mark.parametrize("command", ["search", "retrain"])
def test_commands_stop_before_they_write(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = write_set(tmp_path / "set", of(0), of(0), of(0), of(0))
    arguments = ["--data.name", "folder", "--data.root", str(options.root), "--data.size", "32x40", "--epochs", "1"]
    arguments += ["--arch", "baseline1"] if command == "retrain" else []
    assert main([command, *arguments, "--out", str(tmp_path / "run")]) == 2
    assert "class plant (value 1) never occurs" in capsys.readouterr().err and not (tmp_path / "run").exists()
