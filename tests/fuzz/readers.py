"""Every reader of a file that a user hands over: the call that reads it, and the files that are damaged for it."""

import json
import random
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import film_seeds
import label_seeds
import nni_seeds
import numpy as np
import seeds
from fuzzing import damaged, damaged_images, damaged_json
from hypothesis import strategies as st

from nas_space.architecture import Architecture


@dataclass(frozen=True)
class Reader:
    """A reader under attack.

    Args:
        file: name of the file that is damaged.
        inputs: makes the strategy of its contents.
        read: reads the file.
        examples: inputs of a short run.
        fallen: inputs that once got through, which are tried first.
        beside: makes what lies beside the file, once; None if nothing does.
        writes: whether a reading that succeeds writes into the folder.
    """

    file: str
    inputs: Callable[[], st.SearchStrategy[bytes]]
    read: Callable[[Path], Any]
    examples: int = 60
    fallen: Sequence[bytes] = ()
    beside: Callable[[Path], None] | None = None
    writes: bool = False


def read_classes(path: Path) -> Any:
    from experiments.data.sets.class_file import read_class_file

    classes = read_class_file(path)
    return classes.names, classes.colours, classes.by_id, classes.by_colour


def read_architecture(path: Path) -> Any:
    from nas_space.cost import cost

    architecture = Architecture.load(path)
    return cost(architecture, (64, 96), 5), architecture.table(), architecture.space.sizes()


def read_latency(path: Path) -> Any:
    from nas_space.latency import LatencyTable

    table = LatencyTable.load(path)
    return table.predict(Architecture.random(table.space, random.Random(0))), table.tabulate(), table.to_json()


def read_model(path: Path) -> Any:
    from experiments.model_file import load_model

    return load_model(path)


def read_checkpoint(path: Path) -> Any:
    from experiments.training.checkpoints import resumed_state

    return resumed_state(path, "monitor", {"seed": 0}, "search")


def read_config_file(path: Path, commands: Sequence[str] = ()) -> Any:
    from importlib import import_module

    from experiments.commands import COMMANDS
    from experiments.options.arguments import parse

    modules = [import_module(COMMANDS[name]) for name in commands]
    return [parse("ssr-nas", "", module.Options, [f"--config={path}"]) for module in modules]


def read_search_config(path: Path) -> Any:
    """As ``ssr-nas search --config FILE`` does, up to the data."""
    from experiments.options.arguments import parse
    from experiments.search.options import SearchRunOptions, check_options

    options, _ = parse("ssr-nas search", "", SearchRunOptions, [f"--config={path}"])
    if ":" not in options.strategy:  # which names a module to import
        check_options(options)
    return options


def read_run_config(path: Path) -> Any:
    """As ``--resume FOLDER`` does, for both commands."""
    from experiments.commands import retrain, search
    from experiments.runs.folder import resumed

    resumed("search", search.Options(resume=str(path.parent)))
    return resumed("retrain", retrain.Options(resume=str(path.parent)))


def read_database(path: Path) -> Any:
    """As ``report ID`` and ``export-best ID`` do."""
    from unittest.mock import patch

    from experiments.nni_manager import records
    from experiments.nni_manager.export import export_best, export_pareto
    from experiments.report.markdown import markdown
    from experiments.runs.files import plain

    with patch.object(records, "database", lambda name: path):
        record = records.read_record("x")
    table = record.table()
    markdown(table)
    json.dumps(plain(table.to_dict("records")))
    record.best()
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        export_best(record, Path(folder))
        return export_pareto(record, Path(folder))


def read_experiment(path: Path) -> Any:
    from experiments.nni_manager import definition

    return definition.read_experiment(path)


def read_parameters(path: Path) -> Any:
    """A trial's parameters as NNI gives them."""
    from experiments.nni_manager.trial import with_parameters
    from experiments.search.options import SearchOptions

    try:
        parameters = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return with_parameters(SearchOptions(), parameters)


def read_report(path: Path) -> Any:
    from unittest.mock import patch

    from experiments.report import page

    # Drawing four figures takes half a second; here only what is read counts, and what is made of it.
    with patch.object(page, "png", lambda figure: b"png"):
        return page.write_report(path.parent)


def read_summary(path: Path) -> Any:
    from experiments.runs import folder

    return folder.read_summary(path)


def read_data_image(path: Path) -> Any:
    from experiments.data.files import read_image

    return read_image(path)


def read_runtime_image(path: Path) -> Any:
    from experiments.runtime.images import read_image

    return read_image(path)


def _mask_reader() -> Any:
    from experiments.data.sets.class_file import ClassList, Entry
    from experiments.data.sets.masks import MaskReader

    entries = tuple(Entry(name, index, shade, False) for index, (name, shade) in enumerate(seeds.CLASSES))
    return MaskReader(ClassList(Path("classes.csv"), entries))


def read_mask(path: Path) -> Any:
    reader = _mask_reader()
    reader.settle([path])
    labels = reader(path)
    assert labels.ndim == 2 and labels.dtype == np.uint8 and set(np.unique(labels)) <= {0, 1, 2, 255}
    return labels


def read_index_label(path: Path) -> Any:
    from experiments.data.labels import IndexReader, make_table

    labels = IndexReader(make_table({0: 0, 1: 1, 2: 2, 255: 255}, 256), "0 to 2")(path)
    assert labels.ndim == 2 and set(np.unique(labels)) <= {0, 1, 2, 255}
    return labels


def read_export(path: Path) -> Any:
    from experiments.data.source import open_source
    from experiments.options.groups import DataOptions

    root = path.parents[2] if path.parent.name == "labels" else path.parent
    source = open_source(DataOptions(name="folder", root=str(root)))
    for samples in source.splits.values():
        for sample in samples:
            label = sample.read()[1]
            assert label.shape == (label_seeds.HEIGHT, label_seeds.WIDTH) and label.dtype == np.uint8
            assert set(np.unique(label)) <= {*range(len(source.classes)), 255}
    return source.classes


def read_film(path: Path) -> Any:
    """As ``predict`` does, up to 100 frames."""
    from experiments.prediction.film_reader import open_film
    from experiments.prediction.inputs import Source

    assert Source(path, "x").is_video in (True, False)
    film, last = open_film(path), -1.0
    try:
        assert 0 < film.rate < float("inf") and (film.promised is None or film.promised >= 0)
        for frame in islice(film, 100):
            assert last < frame.seconds < float("inf")
            assert frame.pixels.dtype == np.uint8 and frame.pixels.ndim == 3 and frame.pixels.shape[2] == 3
            last = frame.seconds
    finally:
        film.close()
    return film.damage


def read_description(path: Path) -> Any:
    from experiments.runtime.description import Description

    try:
        texts = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if not isinstance(texts, dict):
        return None
    return Description.from_metadata(path, {key: json.dumps(value) for key, value in texts.items()})


def read_exported(path: Path) -> Any:
    from experiments.runtime.segmenter import Segmenter

    return Segmenter(path, threads=1)(np.zeros((20, 30, 3), np.uint8)).shares()


def read_other_onnx(path: Path) -> Any:
    """As ``benchmark --against FILE.onnx`` and ``cost FILE.onnx`` do before anything runs."""
    from experiments.benchmark.networks.onnx_input import check_onnx, read_onnx

    check_onnx(path, (32, 40))
    return read_onnx(path, weights=True)


def read_training_place(path: Path) -> Any:
    """As ``evaluate --checkpoint RUN`` does with the ``config.yml`` of the run."""
    from experiments.model_file import ModelInfo
    from experiments.prediction.trained_on import as_trained, find_split

    info = ModelInfo(None, None, ("a", "b"), ((0, 0, 0), (1, 1, 1)), (32, 40), "folder", "erfnet")
    return find_split(str(path.parent), info, as_trained(), "val")


def read_trial_record(path: Path) -> Any:
    """As a trial that is submitted again does."""
    from unittest.mock import patch

    from experiments.nni_manager import trial

    with patch.object(trial, "write_json"), patch.object(trial, "get_default_trial_command_channel"):
        return trial.with_parameters(seeds.search_options(), trial.Manager(path.parent).parameters)


def read_comparison(path: Path) -> Any:
    """As ``compare`` does with the files of a search and of a training that are complete."""
    from unittest.mock import patch

    from experiments.report import comparison, figures

    with patch.object(comparison, "write_atomic"), patch.object(comparison, "write_json"), redirect_stdout(None):
        with patch.object(figures, "png"):
            return comparison.write_comparison(path.parents[2], ["ssr-0"], ["ssr-0"], 1, ["ssr"], [])


READERS: dict[str, Reader] = {
    "classes_csv": Reader(
        "classes.csv", lambda: seeds.class_files(seeds.CLASS_CSV, seeds.CSV_TOKENS), read_classes, 200
    ),
    "classes_yaml": Reader(
        "classes.yml",
        lambda: seeds.class_files(seeds.CLASS_YAML, seeds.YAML_TOKENS),
        read_classes,
        150,
        seeds.WRONG_TAGS,
    ),
    "architecture": Reader("architecture.json", lambda: damaged_json(seeds.architectures()), read_architecture, 150),
    "latency": Reader("latency.json", lambda: damaged_json(seeds.latency_tables()), read_latency, 150),
    "model": Reader("model.safetensors", seeds.model_files, read_model, 60),
    "checkpoint": Reader("last.ckpt", lambda: damaged([seeds.checkpoint_bytes(), *seeds.PICKLES]), read_checkpoint, 60),
    "config": Reader("run.yml", seeds.config_files, read_search_config, 80, (b"strategy:\n", *seeds.WRONG_TAGS)),
    "run_config": Reader("config.yml", seeds.config_files, read_run_config, 80),
    "database": Reader("nni.sqlite", nni_seeds.databases, read_database, 40, nni_seeds.FALLEN_DATABASES),
    "experiment": Reader("experiment.yml", seeds.experiments, read_experiment, 40),
    "parameters": Reader("parameters.json", lambda: damaged_json(seeds.PARAMETERS), read_parameters, 80),
    "summary": Reader("search.json", lambda: damaged_json([seeds.summary()]), read_summary, 60),
    "report_search": Reader(
        "search.json",
        lambda: damaged_json([seeds.summary()]),
        read_report,
        8,
        seeds.fallen_summaries(),
        beside=seeds.finished_run,
        writes=True,
    ),
    "report_metrics": Reader(
        "metrics.csv",
        lambda: damaged([seeds.metrics()], seeds.CSV_TOKENS),
        read_report,
        10,
        seeds.FALLEN_METRICS,
        beside=seeds.finished_run,
        writes=True,
    ),
    "data_image": Reader(
        "image.png", lambda: damaged_images(seeds.pictures()), read_data_image, 200, seeds.fallen_pictures()
    ),
    "served_image": Reader(
        "image.png", lambda: damaged_images(seeds.pictures()), read_runtime_image, 150, seeds.fallen_pictures()
    ),
    "mask": Reader("mask.png", lambda: damaged_images(seeds.masks()), read_mask, 200, seeds.fallen_pictures()),
    "index_label": Reader(
        "label.png", lambda: damaged_images(seeds.masks()), read_index_label, 150, seeds.fallen_pictures()
    ),
    "coco": Reader(
        "_a.coco.json",
        lambda: damaged_json([label_seeds.COCO]),
        read_export,
        40,
        label_seeds.FALLEN_COCO,
        label_seeds.beside(""),
    ),
    "labelme": Reader(
        "a.json",
        lambda: damaged_json([label_seeds.LABELME]),
        read_export,
        40,
        label_seeds.FALLEN_LABELME,
        label_seeds.beside(""),
    ),
    "yolo_text": Reader(
        "train/labels/a.txt", lambda: damaged([label_seeds.YOLO_TEXT]), read_export, 40, (), label_seeds.beside_yolo
    ),
    "yolo_yaml": Reader(
        "data.yaml", lambda: damaged([label_seeds.YOLO_YAML]), read_export, 40, (), label_seeds.beside_yolo
    ),
    "label_map": Reader(
        "labelmap.txt",
        lambda: damaged([label_seeds.LABEL_MAP]),
        read_export,
        20,
        (),
        label_seeds.beside("JPEGImages", masks="SegmentationClass/{name}.png"),
    ),
    "roboflow_classes": Reader(
        "_classes.csv",
        lambda: damaged([label_seeds.ROBOFLOW]),
        read_export,
        20,
        (),
        label_seeds.beside("", masks="{name}_mask.png"),
    ),
    "film": Reader("film.bin", lambda: damaged_images(film_seeds.films()), read_film, 60, seeds.fallen_pictures()),
    "description": Reader("description.json", lambda: damaged_json([seeds.DESCRIPTION]), read_description, 100),
    "exported": Reader("model.onnx", lambda: damaged([seeds.onnx_bytes()]), read_exported, 40),
    "other_onnx": Reader("model.onnx", lambda: damaged([seeds.onnx_bytes()]), read_other_onnx, 60),
    "training_place": Reader("config.yml", seeds.place_files, read_training_place, 60, seeds.FALLEN_PLACES),
    "trial_record": Reader("parameter.json", seeds.record_files, read_trial_record, 60, (b"{}", b'{"parameters": 1}')),
    "comparison": Reader(
        "search/ssr-0/search.json", seeds.compared, read_comparison, 15, (b"{}",), beside=seeds.comparison
    ),
    "comparison_metrics": Reader(
        "search/ssr-0/metrics.csv",
        lambda: damaged([seeds.metrics()], seeds.CSV_TOKENS),
        read_comparison,
        8,
        seeds.FALLEN_METRICS,
        beside=seeds.comparison,
    ),
    "comparison_training": Reader(
        "retrain/ssr-0-seed0/retrain.json", seeds.trainings, read_comparison, 12, beside=seeds.comparison
    ),
}
