import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.data.listing import Folder, match, root_folder
from experiments.options.groups import DataOptions
from nas_space.errors import InputError


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_pairs_by_name_with_tails(tmp_path: Path) -> None:
    tree(tmp_path, "i/b_x.png", "i/a_x.PNG", "i/c.png", "i/.d_x.png", "l/a_y.png", "l/b_y.png", "l/b_z.png")
    pairs, problems = match(Folder(tmp_path / "i", (".png",), "_x"), Folder(tmp_path / "l", (".png",), "_y"), "layout")
    assert [(name, image.name, label.name) for name, image, label in pairs] == [
        ("a", "a_x.PNG", "a_y.png"),
        ("b", "b_x.png", "b_y.png"),
    ]
    assert problems == []


def test_everything_wrong_is_collected(tmp_path: Path) -> None:
    tree(tmp_path, "i/a.png", "i/a.jpg", "i/b.png", "i/c.png", "l/a.png", "l/d.png", "l/d.bmp", "l/c.gif")
    pairs, problems = match(
        Folder(tmp_path / "i", (".png", ".jpg")), Folder(tmp_path / "l", (".png", ".bmp")), "layout"
    )
    assert [name for name, _, _ in pairs] == ["a"]
    assert [(problem.kind, problem.file and problem.file.name, problem.stops) for problem in problems] == [
        ("same name", "a.png", True),
        ("same name", "d.png", True),
        ("missing label", "b.png", True),
        ("missing label", "c.png", True),
        ("label without image", "d.bmp", False),
    ]
    assert "c.gif does not count" in str(problems[3])


LISTED: list[str] | None = None
"""Folders as they are listed, while a test looks."""


def note(event: str, arguments: tuple[object, ...]) -> None:
    if LISTED is not None and event in ("os.listdir", "os.scandir"):
        LISTED.append(str(arguments[0]))


@pytest.fixture
def listed() -> Iterator[list[str]]:
    """Every folder that is listed, by whatever function of Python."""
    global LISTED
    if not getattr(note, "added", False):
        sys.addaudithook(note)  # it cannot be removed
        note.added = True  # type: ignore[attr-defined]
    LISTED = []
    yield LISTED
    LISTED = None


@pytest.mark.parametrize("nested", [False, True])
def test_folders_are_listed_once_however_many_labels_are_missing(
    tmp_path: Path, listed: list[str], nested: bool
) -> None:
    inner = "city/" if nested else ""
    tree(tmp_path, *(f"i/{inner}{n:03}.png" for n in range(50)), *(f"l/{inner}{n:03}_{n}.png" for n in range(50)))
    tree(tmp_path, f"l/{inner}007.gif", f"l/{inner}007.bmp")
    listed.clear()
    _, problems = match(
        Folder(tmp_path / "i", (".png",), nested=nested), Folder(tmp_path / "l", (".png",), nested=nested), "layout"
    )
    missing = [str(problem) for problem in problems if problem.kind == "missing label"]
    assert len(missing) == 50 and sum("does not count" in text for text in missing) == 1
    assert "007.png is missing (007.bmp does not count: labels are .png" in missing[7]
    assert "(008_8.png lies there: rename it to 008.png)" in missing[8]
    assert len([folder for folder in listed if Path(folder).is_relative_to(tmp_path / "l")]) <= 3


def test_nested_folders(tmp_path: Path) -> None:
    tree(tmp_path, "i/two/b.png", "i/one/a.png", "i/c.png", "l/one/a.png", "l/three/b.png")
    (tmp_path / "i" / "loop").symlink_to("loop")
    pairs, problems = match(
        Folder(tmp_path / "i", (".png",), nested=True), Folder(tmp_path / "l", (".png",), nested=True), "layout"
    )
    assert [name for name, _, _ in pairs] == ["a", "b"] and problems == []


@pytest.mark.parametrize("nested", [False, True])
def test_missing_and_empty_folders(tmp_path: Path, nested: bool) -> None:
    images, labels = (Folder(tmp_path / name, (".png", ".jpg"), nested=nested) for name in "il")
    assert [problem.kind for problem in match(images, labels, "layout")[1]] == ["missing folder", "missing folder"]
    for folder in (images, labels):
        folder.path.mkdir()
    (problem,) = match(images, labels, "the layout")[1]
    assert problem.kind == "no images" and "the layout" in str(problem)


@pytest.mark.parametrize(("name", "kind", "others"), [("{}.gif", "GIF", 3), ("{}.CR2", "camera RAW", 1), ("{}", "", 0)])
@pytest.mark.parametrize("own", [False, True])
def test_pictures_of_other_kinds_are_told(tmp_path: Path, name: str, kind: str, others: int, own: bool) -> None:
    start = {"GIF": b"GIF89a", "camera RAW": b"II*\0\x10\0\0\0CR"}.get(kind, b"")
    tree(tmp_path, "i/notes.txt", "l/a.png", *(["i/a.png"] if own else []))
    for number in range(others):
        (tmp_path / "i" / name.format(number)).write_bytes(start + bytes(9))
    (tmp_path / "i" / "a.jp2").write_bytes(b"\0\0\0\x0cjP  " if own else b"")  # the same picture as a.png
    _, problems = match(Folder(tmp_path / "i", (".png",)), Folder(tmp_path / "l", (".png",)), "the layout")
    found = [problem for problem in problems if problem.kind in ("no images", "other pictures")]
    assert len(found) == (1 if not own or others else 0) and all(problem.stops != own for problem in found)
    if others:
        text = f"{others} {name.format('')} {'files' if others > 1 else 'file'} ({kind}) there do not count: save them"
        assert text in str(found[0])


def test_an_empty_folder_of_one_kind_of_files(tmp_path: Path) -> None:
    tree(tmp_path, "i/a.png", "l/a.png")
    problems = match(Folder(tmp_path / "i", (".jpg",)), Folder(tmp_path / "l", (".png",)), "the layout")[1]
    assert str(problems[0]) == f"{tmp_path / 'i'}: holds no .jpg image; the layout"


@pytest.mark.parametrize(
    ("names", "nested", "kinds", "message"),
    [
        (
            ["i/x/a.png", "i/x/b.png", "l/a.png", "l/b.png"],
            False,
            ["no images", "label without image", "label without image"],
            "i: holds no .png image, but {root}/i/x/a.png and 1 more lie deeper in it: move them up; layout",
        ),
        (
            ["i/a.png", "i/b.png", "i/c.png", "l/x/a.png", "l/x/b.png"],
            False,
            ["missing label"],
            "l: holds no .png label, but {root}/l/x/a.png and 1 more lie deeper in it: move them up",
        ),
        (
            ["i/a.png", "i/b.png", "l/a/0.png", "l/a/1.png", "l/b/0.png"],
            False,
            ["missing label"],
            "l: holds no .png label, but {root}/l/a/0.png and 2 more, which look like one mask per object: draw",
        ),
        (
            ["i/a.png", "i/b.png", "l/a.png", "l/new/b.png"],
            False,
            ["missing label"],
            "b.png is missing ({root}/l/new/b.png lies deeper: move it up)",
        ),
        (
            ["i/a.png", "i/x/b.png", "l/a.png"],
            False,
            ["deeper images"],
            "i: {root}/i/x/b.png in folders inside of it are not used; move them up",
        ),
        (
            ["i/a.png", "l/city/a.png"],
            True,
            ["no images", "label without image"],
            "i: holds no folder of images, but {root}/i/a.png lie in it directly: move them into an inner folder",
        ),
        (
            ["i/x/city/a.png", "l/city/a.png"],
            True,
            ["no images", "label without image"],
            "but {root}/i/x/city/a.png lie deeper in it: move them up",
        ),
        (
            ["i/Train/a.png", "i/valid/b.png", "l/a.png"],
            False,
            ["no images", "label without image"],
            "{root}/i/Train/a.png and 1 more lie deeper in it: rename Train/ to train/ and valid/ to val/; layout",
        ),
        (["i/a.png", "l/a.png", "l/old/a.png", "i/.x/b.png"], False, [], ""),
    ],
)
def test_files_one_folder_off(tmp_path: Path, names: list[str], nested: bool, kinds: list[str], message: str) -> None:
    tree(tmp_path, *names)
    images, labels = (Folder(tmp_path / name, (".png",), nested=nested) for name in "il")
    problems = match(images, labels, "layout")[1]
    assert [problem.kind for problem in problems] == kinds
    assert message.format(root=tmp_path) in "".join(map(str, problems[:1]))


def test_a_folder_one_level_deeper(tmp_path: Path) -> None:
    tree(tmp_path, "zip/i/a.png", "l/a.png")
    (problem,) = match(Folder(tmp_path / "i", (".png",)), Folder(tmp_path / "l", (".png",)), "layout")[1]
    found = f"{tmp_path}/zip/i is there: move what is in {tmp_path}/zip up into {tmp_path}; layout"
    assert str(problem) == f"{tmp_path}/i: no such folder, but {found}"
    options = DataOptions(root=str(tmp_path), name="camvid")
    with pytest.raises(InputError, match=r"holds no i/, but \S*/zip does; give that folder$"):
        root_folder(options, "i/")
    assert root_folder(options, "l/") == root_folder(options, "nothing/") == tmp_path


@pytest.mark.parametrize(
    ("names", "missing", "hint"),
    [
        ("Train/images Val/images", "images", "{}/Train/images is there: rename Train/ to train/ and Val/ to val/"),
        ("train/images valid/images", "val/images", "{}/valid is there: rename it to val"),
        ("train/images Validation/images", "val/masks", "{}/Validation is there: rename it to val"),
        ("train/Images", "train/images", "{}/train/Images is there: rename it to images"),
        ("train/images other/val/images", "val/images", "{0}/other/val/images is there: move what is in {0}/other up"),
    ],
)
def test_folders_of_other_names_are_to_be_renamed(tmp_path: Path, names: str, missing: str, hint: str) -> None:
    tree(tmp_path, *(f"{name}/a.png" for name in names.split()))
    missing_folder = Folder(tmp_path / missing, (".png",))
    problem = match(missing_folder, missing_folder, "layout")[1][0]
    assert str(problem).startswith(f"{tmp_path / missing}: no such folder, but {hint.format(tmp_path)}")


def test_a_mask_for_each_object_is_not_to_be_renamed(tmp_path: Path) -> None:
    tree(tmp_path, "i/a.jpg", "i/b.jpg", "i/a_2.jpg", "l/a_0.png", "l/a_1.png", "l/a_2.png", "l/b.png")
    problems = match(Folder(tmp_path / "i", (".jpg",)), Folder(tmp_path / "l", (".png",)), "layout")[1]
    assert problems[0].kind == "missing label" and "rename" not in str(problems[0])
    assert "(a_0.png, a_1.png lie there, which look like one mask per object: draw" in str(problems[0])


def test_the_label_of_another_image_is_no_hint(tmp_path: Path) -> None:
    tree(tmp_path, "i/a.jpg", "i/a_x.jpg", "l/a_x.png")
    (problem,) = match(Folder(tmp_path / "i", (".jpg",)), Folder(tmp_path / "l", (".png",)), "layout")[1]
    assert "a.png is missing; add it, or remove the image" in str(problem)


@pytest.mark.parametrize("nested", [False, True])
def test_a_constant_ending_of_all_labels_is_paired_and_told(tmp_path: Path, nested: bool) -> None:
    inner = "city/" if nested else ""
    tree(tmp_path, *(f"i/{inner}{n}_x.jpg" for n in (1, 2, 10)), *(f"l/{inner}{n}_mask.png" for n in (1, 2, 10)))
    images, labels = Folder(tmp_path / "i", (".jpg",), "_x", nested), Folder(tmp_path / "l", (".png",), "", nested)
    pairs, (problem,) = match(images, labels, "layout")
    assert [(name, image.name, label.name) for name, image, label in pairs] == [
        (name, f"{name}_x.jpg", f"{name}_mask.png") for name in ("1", "10", "2")
    ]
    assert not problem.stops and "'_mask'" in str(problem) and "1_x.jpg is paired with 1_mask.png" in str(problem)


def test_a_label_of_another_ending_is_named(tmp_path: Path) -> None:
    tree(tmp_path, "i/a.png", "i/b.png", "l/a.png", "l/b_old.png")
    pairs, problems = match(Folder(tmp_path / "i", (".png",)), Folder(tmp_path / "l", (".png",)), "layout")
    assert [name for name, _, _ in pairs] == ["a"]
    assert "b_old.png lies there: rename it to b.png" in str(problems[0]) and problems[0].kind == "missing label"
