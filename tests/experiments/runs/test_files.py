"""Files appear whole or not at all, and hold plain values."""

import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiments.options.quantity import Quantity
from experiments.runs import files
from experiments.runs.files import check_new_file, named, new_file, write_atomic, write_json
from nas_space.errors import InputError


@pytest.mark.parametrize("content", ["grüße\n", b"\x00\xff"])
def test_content_is_written_as_given(tmp_path: Path, content: str | bytes) -> None:
    write_atomic(tmp_path / "file", "before")
    write_atomic(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_in_the_middle_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    file = tmp_path / "file"
    write_atomic(file, "before")

    def fail(*_: object) -> None:
        assert file.read_text() == "before"
        raise error

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(type(error)):
        write_atomic(file, "after")
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_has_appeared_meanwhile_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_atomic(file, "first", new=True)
    with pytest.raises(FileExistsError, match="file"):
        write_atomic(file, "second", new=True)
    assert file.read_text() == "first" and list(tmp_path.iterdir()) == [file]


def test_new_file_has_ordinary_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        write_atomic(tmp_path / "file", "text")
    finally:
        os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_json_holds_no_nan_and_no_foreign_types(tmp_path: Path) -> None:
    import numpy as np

    data = {
        "nan": float("nan"),
        "scalar": np.float32(0.5),
        "count": np.int64(3),
        "path": Path("a"),
        "tuple": (1, 2),
        4: Quantity("2K"),
    }
    write_json(tmp_path / "file.json", data)
    read = json.loads((tmp_path / "file.json").read_text(), parse_constant=pytest.fail)
    assert read == {"nan": None, "scalar": 0.5, "count": 3, "path": "a", "tuple": [1, 2], "4": 2000.0}


def test_what_json_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "file.json", {"a": object()})
    assert json.loads((tmp_path / "file.json").read_text()) == {"a": 1}


def test_a_new_file_may_be_in_a_folder_that_is_still_to_be_made(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "result.json"
    assert check_new_file(str(out)) == out and out.parent.is_dir() and not out.exists()
    assert check_new_file(None) is None


def test_a_file_that_cannot_be_new_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("precious")
    link.symlink_to(tmp_path / "nowhere")
    for path, message in (
        (file, "exists already; choose another --out"),
        (tmp_path, "exists already; choose another --out"),
        (link, "exists already; choose another --out"),
        (file / "new", "its folder cannot be made (File exists); choose another --out"),
        (file / "below" / "new", "its folder cannot be made (Not a directory); choose another --out"),
    ):
        with pytest.raises(InputError) as caught:
            check_new_file(str(path))
        assert str(caught.value) == f"--out {path}: {message}"
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write into a folder whatever its mode
    with pytest.raises(InputError, match=f"no file can be made in {tmp_path}; make it writable"):
        check_new_file(str(tmp_path / "new" / "file"))
    assert file.read_text() == "precious" and not (tmp_path / "new").exists()


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_of_several_writers_at_the_same_moment_one_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(files.os, "link", refuse)
    for attempt in range(20):
        file, barrier = tmp_path / str(attempt), threading.Barrier(4)

        def write(number: int, file: Path = file, barrier: threading.Barrier = barrier) -> int | None:
            barrier.wait()
            try:
                write_atomic(file, f"{number}" * 1000, new=True)
            except FileExistsError:
                return None
            return number

        with ThreadPoolExecutor(4) as pool:
            winners = [number for number in pool.map(write, range(4)) if number is not None]
        assert len(winners) == 1 and file.read_text() == f"{winners[0]}" * 1000
    assert len(list(tmp_path.iterdir())) == 20


def test_a_file_without_links_that_cannot_be_placed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    for call in ("link", "replace"):
        monkeypatch.setattr(files.os, call, refuse)
    with pytest.raises(OSError, match="full"):
        write_atomic(tmp_path / "file", "text", new=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("raised", [OSError(errno.ENOSPC, "full"), OSError(errno.ENOSPC, "full", "other")])
def test_a_full_disk_names_the_file(raised: OSError, tmp_path: Path) -> None:
    name = raised.filename or str(tmp_path / "a.bin")
    with pytest.raises(RuntimeError) as error, named(tmp_path / "a.bin"):
        raise RuntimeError("unexpected position") from raised
    assert error.value.__cause__ is raised and raised.filename == name


def test_a_file_that_meets_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(OSError) as error:
        write_atomic(tmp_path / "a.json", "text")
    assert error.value.filename == str(tmp_path / "a.json") and not list(tmp_path.iterdir())


def test_who_wants_a_file_in_the_making_is_told_before_the_work(tmp_path: Path) -> None:
    out = str(tmp_path / "scores.json")
    with new_file(out) as path:
        with pytest.raises(InputError, match=r"scores\.json: another process is writing it"), new_file(out):
            pytest.fail("went in")
        with new_file(str(tmp_path / "other.json")), new_file(None) as none:
            assert none is None
        assert path is not None
        write_json(path, {"a": 1}, new=True)
    with pytest.raises(InputError, match="exists already"), new_file(out):
        pytest.fail("went in")
    assert [file.name for file in tmp_path.iterdir()] == ["scores.json"]


def test_the_lock_that_a_killed_process_has_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".scores.json.lock").touch()
    with new_file(str(tmp_path / "scores.json")):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["\u00e9" * 125, "x" * 255, "$a_{^} \U0001f6a6 <b>"])
def test_a_file_may_have_the_longest_name_that_there_is(tmp_path: Path, name: str) -> None:
    with new_file(str(tmp_path / name)) as path:
        assert path is not None
        with pytest.raises(InputError, match="another process"), new_file(str(path)):
            pytest.fail("went in")
        with new_file(str(path)[:-1]):
            pass
        write_atomic(path, "text", new=True)
    write_atomic(path, "again")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "again")]
