"""Checkpoints are whole or absent, and a damaged one is told in a line."""

import zipfile
from pathlib import Path

import pytest
import torch

from experiments.training.checkpoints import AtomicCheckpointIO, monitor_state, resumed_state
from nas_space.errors import InputError


def test_round_trip_without_leftovers(tmp_path: Path) -> None:
    io, path = AtomicCheckpointIO(), tmp_path / "a" / "last.ckpt"
    io.save_checkpoint({"state_dict": {"w": torch.arange(3)}, "epoch": 4}, path)
    assert io.load_checkpoint(path)["state_dict"]["w"].tolist() == [0, 1, 2]
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    io, path = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"state_dict": {}, "epoch": 1}, path)

    def fail(content: object, file: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="No space") as error:
        io.save_checkpoint({"state_dict": {}, "epoch": 2}, path)
    assert error.value.filename == str(path)
    monkeypatch.undo()
    assert io.load_checkpoint(path)["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_that_claims_more_than_the_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packed archive may be a thousand times smaller than what it unpacks to."""
    packed, plain = tmp_path / "packed.ckpt", tmp_path / "plain.ckpt"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(2**22))
    plain.write_bytes(b"x" * 2**21)
    assert packed.stat().st_size < 2**13
    monkeypatch.setattr("experiments.training.checkpoints.free_memory", lambda: 2**20)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("took memory"))
    for path in (packed, plain):
        with pytest.raises(InputError, match=rf"{path.name}: 0\.0 GB do not fit into memory"):
            AtomicCheckpointIO().load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken zip"])
def test_damaged_files_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="last.ckpt"):
        AtomicCheckpointIO().load_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"w": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match="damaged"):
        AtomicCheckpointIO().load_checkpoint(path)


class _Foreign:
    """Stands for arbitrary code in a pickle."""


def test_a_pickle_with_code_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}, "object": _Foreign()}, path)
    with pytest.raises(InputError):
        AtomicCheckpointIO().load_checkpoint(path)


WHOLE = {"state_dict": {}, "loops": {}, "optimizer_states": [], "lr_schedulers": [], "pytorch-lightning_version": "2.6"}


def test_what_a_monitor_has_left() -> None:
    state = {"options": {"seed": 0}, "rows": []}
    assert monitor_state({**WHOLE, "callbacks": {"Monitor": state}}, "Monitor") == state


@pytest.mark.parametrize(
    "callbacks",
    [None, 5, {}, {"Other": {"options": {}}}, {"Monitor": 5}, {"Monitor": {}}, {"Monitor": {"options": 5}}],
    ids=str,
)
def test_a_checkpoint_without_its_monitor(callbacks: object) -> None:
    assert monitor_state({**WHOLE, "callbacks": callbacks}, "Monitor") is None


@pytest.mark.parametrize("part", WHOLE)
def test_a_checkpoint_with_a_part_that_is_none(part: str) -> None:
    checkpoint = {**WHOLE, "callbacks": {"Monitor": {"options": {}}}}
    assert monitor_state({**checkpoint, part: 5}, "Monitor") is None
    assert monitor_state({key: value for key, value in checkpoint.items() if key != part}, "Monitor") is None


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    options = {"seed": 0, "device": "cpu", "ssr-nas": "a network"}
    AtomicCheckpointIO().save_checkpoint({**WHOLE, "callbacks": {"Monitor": {"options": options}}}, path)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"seed": 1}, "config.yml: seed is not what"), ({"ssr-nas": "another"}, "the network is not what")],
    ids=("option", "network"),
)
def test_what_has_changed_since_a_checkpoint_is_named(
    checkpoint: Path, changes: dict[str, object], message: str
) -> None:
    options = {"seed": 0, "device": "cuda", "precision": "bf16", "ssr-nas": "a network"}  # where it runs may change
    assert resumed_state(checkpoint, "Monitor", options, "training")["options"]["seed"] == 0
    with pytest.raises(InputError, match=message):
        resumed_state(checkpoint, "Monitor", {**options, **changes}, "training")


@pytest.mark.parametrize(("monitor", "kind"), [("Monitor", "search"), ("Other", "training")])
def test_a_checkpoint_of_something_else_is_refused(checkpoint: Path, monitor: str, kind: str) -> None:
    with pytest.raises(InputError, match=f"not a checkpoint of this {kind}"):
        resumed_state(checkpoint, monitor, {}, kind)
