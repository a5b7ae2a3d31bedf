"""Which files are found, and what their results are called."""

import os
from pathlib import Path

import pytest

from experiments.prediction.inputs import LONGEST, find_sources


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names(*words: Path) -> list[str]:
    sources, nothing = find_sources([str(word) for word in words])
    assert nothing == []
    return [source.name for source in sources]


def test_a_folder_with_its_subfolders(tmp_path: Path) -> None:
    touch(tmp_path / "b.JPG", tmp_path / "a.png", tmp_path / "sub" / "deep" / "c.tif", tmp_path / "sub" / "film.mp4")
    touch(tmp_path / "notes.txt", tmp_path / ".hidden.png", tmp_path / ".cache" / "d.png")
    assert names(tmp_path) == ["a", "b", "sub/film", "sub/deep/c"]
    sources, _ = find_sources([str(tmp_path)])
    assert [source.is_video for source in sources] == [False, False, True, False]


def test_a_folder_that_is_called_like_an_image(tmp_path: Path) -> None:
    touch(tmp_path / "folder.png" / "x.jpg")
    assert names(tmp_path / "folder.png") == ["x"] and names(tmp_path) == ["folder.png/x"]


def test_names_that_would_be_the_same(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("one/x.jpg", "one/x.png", "one/X.bmp", "two/x.jpg", "x-2.png")))
    found = names(tmp_path / "one", tmp_path / "two", tmp_path / "two" / "x.jpg", tmp_path / "x-2.png")
    assert found == ["X", "x-2", "x-3", "x-4", "x-2-2"]
    assert len({name.casefold() for name in found}) == len(found)


def test_names_of_any_letters_and_of_any_length(tmp_path: Path) -> None:
    touch(tmp_path / "straße 日本.png", tmp_path / ("ü" * 120 + ".png"))
    first, second = names(tmp_path)
    assert first == "straße 日本" and second.startswith("ü" * 80) and len(os.fsencode(second)) <= LONGEST


def test_a_name_is_cut_between_characters(tmp_path: Path) -> None:
    touch(*(tmp_path / folder / ("a" + "日" * 70 + ".mp4") for folder in ("one", "two")))
    assert names(tmp_path) == [f"{folder}/a" + "日" * 59 for folder in ("one", "two")]
    assert names(tmp_path / "one", tmp_path / "two") == ["a" + "日" * 59, "a" + "日" * 59 + "-2"]


def test_results_of_names_that_are_not_utf8_are_utf8(tmp_path: Path) -> None:
    touch(
        tmp_path / os.fsdecode(b"caf\xe9") / os.fsdecode(b"\xff.png"),
        tmp_path / os.fsdecode(b"caf\xe9") / os.fsdecode(b"\xfe.png"),
    )
    assert names(tmp_path) == ["caf_/_", "caf_/_-2"]


def test_links(tmp_path: Path) -> None:
    touch(tmp_path / "real.png", tmp_path / "elsewhere" / "y.png")
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "real.png")
    (tmp_path / "in" / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "in" / "sub" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "door").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "in") == ["link", "nowhere"]  # the second is told when it is read
    assert names(tmp_path / "door") == ["y"]


def test_what_gives_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    sources, nothing = find_sources([str(tmp_path / name) for name in ("empty", "gone.png", "pipe.png")])
    assert sources == [] and [line.rpartition("/")[2].partition(" (")[0] for line in nothing] == [
        "empty: holds no image",
        "gone.png: no such file",
        "pipe.png: neither a file nor a folder",
    ]
    assert find_sources([str(tmp_path)])[0] == []  # a pipe is not waited for


def test_an_empty_word_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    for word in ("", " "):
        sources, nothing = find_sources([word])
        assert sources == [] and nothing == ["'': names no file and no folder; . is the current folder"]
    assert [source.name for source in find_sources(["."])[0]] == ["a"]


def test_what_is_inside_counts_also_in_a_folder(tmp_path: Path) -> None:
    jpeg, film, sound = b"\xff\xd8\xff\xe0" + bytes(99), b"\x1aE\xdf\xa3" + bytes(99), b"OggS" + bytes(99)
    contents = {"a": jpeg, "b.dat": film, "c.ogg": sound, "d.mka": film, "e.ts": b"export const x = 1", "f.txt": b"BM"}
    contents |= {"g.ts": (b"G" + bytes(187)) * 9, "h.m4a": b"\0\0\0\x20ftypM4A " + bytes(9), "i.mp4": jpeg}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    sources, _ = find_sources([str(tmp_path)])
    assert {source.name: source.is_video for source in sources} == {"a": False, "b": True, "g": True, "i": False}
