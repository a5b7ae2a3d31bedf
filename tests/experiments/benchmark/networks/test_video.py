import os
import threading
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from experiments.benchmark.networks import video as module
from experiments.benchmark.networks.video import batches, measure_stream, read_frames, stages
from nas_space.errors import InputError


def scores(array):
    """Class 1 where the image is bright, at half the size; brightness is above 0 from 128 on."""
    mean = array[:, :, ::2, ::2].mean(1, keepdims=True)
    return np.concatenate((np.zeros_like(mean), mean), 1)


def test_frames_come_in_order_and_in_rgb(video):
    frames = list(read_frames(video))
    assert len(frames) == 12 and frames[0].shape == (48, 64, 3) and frames[0].dtype == np.uint8
    assert [round(float(frame[40:, :, 0].mean()) / 20) for frame in frames] == list(range(12))
    assert frames[0][10:20, 2:12].mean((0, 1)) == pytest.approx((0, 128, 255), abs=12)  # written as BGR (255, 128, 0)


def test_a_folder_is_read_by_names(tmp_path):
    for number in (2, 0, 1):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((4, 5, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    assert [int(frame[0, 0, 0]) for frame in read_frames(tmp_path)] == [0, 1, 2]


def test_what_is_no_video_is_named(tmp_path):
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"RIFF nonsense")
    (tmp_path / "empty").mkdir()
    for path, message in (
        (broken, "not a film, or damaged"),
        (tmp_path / "empty", "no images"),
        (tmp_path / "x.avi", "no such file"),
    ):
        with pytest.raises(InputError, match=f"^{path}: {message}"):
            next(read_frames(path))


def test_a_video_whose_path_is_not_utf8(video, tmp_path):
    assert len(list(read_frames(video.rename(tmp_path / os.fsdecode(b"caf\xe9.avi"))))) == 12


def test_batches_are_full():
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5]]


def test_stages_by_hand():
    dark, bright = np.zeros((8, 6, 3), np.uint8), np.full((8, 6, 3), 255, np.uint8)
    half = dark.copy()
    half[:, 3:] = 255
    steps = stages(scores, (8, 6))
    item = [dark, half, bright]
    for step in steps.values():
        item = step(item)
    assert item[0].max() == 0 and item[2].min() == 1
    assert item[1].shape == (8, 6) and item[1][:, 0].max() == 0 and item[1][:, 5].min() == 1


def test_both_ways_are_timed_in_turns(video, monkeypatch):
    order = []
    for name in ("sequential", "pipelined"):
        way = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *arguments, way=way, name=name: order.append(name) or way(*arguments))
    done = []
    found = measure_stream(lambda: read_frames(video), scores, (24, 32), 2, 3, lambda: done.append(len(order)))
    assert order == ["sequential", "pipelined"] * 2 + ["pipelined", "sequential"] + [
        "sequential",
        "pipelined",
    ] and done == [4, 6, 8]
    assert (found.frames, found.frame_size) == (12, (48, 64)) and found.sequential.shape == found.pipelined.shape == (
        3,
        1,
    )
    assert list(found.stage_ms) == ["decode", "prepare", "infer", "finish"] and all(
        value > 0 for value in found.stage_ms.values()
    )


def test_seconds_of_the_stages_and_of_both_ways(video, monkeypatch):
    """On a clock of its own: a frame takes 1 s to decode, 1/4 to prepare and 1/2 to finish, a batch 8 s to infer."""
    now, lock = [0.0], threading.Lock()

    def takes(seconds, work):
        def timed(*arguments, **settings):
            with lock:
                now[0] += seconds
            return work(*arguments, **settings)

        return timed

    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(module, "cv2", SimpleNamespace(**{**vars(cv2), "resize": takes(0.25, cv2.resize)}))
    monkeypatch.setattr(module, "largest", takes(0.5, module.largest))
    decoded = takes(1.0, lambda frame: frame)
    found = measure_stream(lambda: map(decoded, read_frames(video)), takes(8.0, scores), (24, 32), 2, 3, lambda: None)
    assert found.stage_ms == {"decode": 1000.0, "prepare": 250.0, "infer": 4000.0, "finish": 500.0}
    # Twelve frames. The clock adds up what all threads do, so both ways take as long on it.
    assert found.sequential.tolist() == found.pipelined.tolist() == [[12 * 5.75]] * 3


def test_a_pipeline_that_answers_otherwise_is_found_out(video, monkeypatch):
    monkeypatch.setattr(
        module,
        "pipelined",
        lambda source, steps: (result for result in reversed(list(module.sequential(source, steps)))),
    )
    with pytest.raises(RuntimeError, match="other class maps"):
        measure_stream(lambda: read_frames(video), scores, (24, 32), 1, 1, lambda: None)


def test_classes_instead_of_logits_are_refused(video):
    with pytest.raises(InputError, match="gives 3 dimensions; logits of"):
        measure_stream(lambda: read_frames(video), lambda array: scores(array).argmax(1), (24, 32), 1, 1, lambda: None)


def test_logits_that_are_no_numbers_are_refused(video):
    with pytest.raises(InputError, match="logits are not finite numbers"):
        measure_stream(lambda: read_frames(video), lambda array: scores(array) * np.nan, (24, 32), 1, 1, lambda: None)


def test_fewer_frames_than_a_batch(video):
    with pytest.raises(InputError, match="batch: 13 is more than there are frames"):
        measure_stream(lambda: read_frames(video), scores, (24, 32), 13, 1, lambda: None)
