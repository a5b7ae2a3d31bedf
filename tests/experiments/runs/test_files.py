"""Files appear whole or not at all, and hold plain values."""

import json
import os
from pathlib import Path

import pytest

from experiments.options.quantity import Quantity
from experiments.runs import files
from experiments.runs.files import check_new_file, write_atomic, write_json
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
