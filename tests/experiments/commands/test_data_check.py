"""The table agrees with a count by hand; every attack on a data set is reported beside all others."""

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from experiments.cli import main
from experiments.data import load
from experiments.options.groups import DataOptions, data_flags
from nas_space.errors import InputError

Check = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def root(tmp_path: Path, write_folder: Callable[..., Path]) -> Path:
    return write_folder(tmp_path / "plants", train=6, val=3)


@pytest.fixture
def check(root: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
        code = main(["data", "check", *(arguments or ("--data.name", "folder", "--data.root", str(root))), "--json"])
        output = capsys.readouterr()
        assert output.err == ""
        *text, last = output.out.splitlines()
        return code, json.loads(last), "\n".join(text)

    return run


def mask(root: Path, name: str) -> Path:
    return root / name[:-1] / "masks" / f"{name}.png"


def image(root: Path, name: str) -> Path:
    return root / name[:-1] / "images" / f"{name}.png"


def kinds(result: dict[str, Any]) -> list[str]:
    return sorted(problem["kind"] for problem in result["problems"])


def test_a_sound_data_set(root: Path, check: Check, write_folder: Callable[..., Path]) -> None:
    write_folder(root, train=6, val=3, colours=False)
    Image.new("RGB", (100, 30)).save(image(root, "train0"))
    ids = np.zeros((30, 100), np.uint8)
    ids[:, :25] = 255
    Image.fromarray(ids).save(mask(root, "train0"))
    code, result, text = check()
    assert code == 0 and result["usable"] and result["problems"] == [] and result["unknown_values"] == []
    train = result["splits"]["train"]
    assert train["images"] == train["usable"] == 6 and result["splits"]["val"]["images"] == 3
    assert train["sizes"] == {"smallest": "40x56", "median": "40x56", "largest": "30x100", "distinct": 2}
    # Five masks of four equal parts, and one with 2250 pixels of the first class and 750 ignored.
    labelled = 5 * 40 * 56 + 2250
    assert train["frequencies"]["grass"] == pytest.approx((5 * 560 + 2250) / labelled)
    assert train["frequencies"]["hut"] == pytest.approx(5 * 560 / labelled) and sum(
        train["frequencies"].values()
    ) == pytest.approx(1)
    assert train["ignored"] == pytest.approx(750 / (labelled + 750))
    rows = {line[:22].strip(): line[22:].split() for line in text.splitlines()}
    assert rows["images with a label"] == ["6", "3"] and rows["different sizes"] == ["2", "1"]
    assert text.splitlines()[-1] == "folder: usable; no class vanishes at 96x128 (--data.size)"
    assert "class hut" in text and "20.82 %" in text
    assert check(str(root)) == (code, result, text)
    assert result["reading"] == "masks are read as ids (train0.png fits no other reading)" and result["reading"] in text


def test_the_flags_of_how_labels_are_read(root: Path, check: Check) -> None:
    """They stand in the command that follows a search."""
    options = DataOptions(name="folder", root=str(root), labels="colour", first_page=True)
    code, result, _ = check(*shlex.split(data_flags(options)))
    assert code == 0 and result["reading"] == "masks are read as colours (as data.labels says)"
    image(root, "train0").with_suffix(".tif").write_bytes(b"")
    image(root, "train0").unlink()
    two = Image.new("RGB", (56, 40))
    two.save(image(root, "train0").with_suffix(".tif"), save_all=True, append_images=[two])
    assert check(*shlex.split(data_flags(options)))[0] == 0
    code, result, text = check()
    assert code == 2 and kinds(result) == ["several pages"] and "train0.tif: holds 2 pages" in text


def test_everything_at_once(root: Path, check: Check, write_folder: Callable[..., Path]) -> None:
    """One mistake of every kind: none hides another, and all are named."""
    write_folder(root, train=6, val=3, colours=False)
    image(root, "train0").write_bytes(image(root, "train0").read_bytes()[:200])
    Image.new("L", (20, 20)).save(mask(root, "train1"))
    for name, value in (("train2", 77), ("train3", 77), ("val0", 99)):
        ids = np.full((40, 56), 1, np.uint8)
        ids[:2, :3] = value
        Image.fromarray(ids).save(mask(root, name))
    mask(root, "train4").unlink()
    mask(root, "val1").write_bytes(b"")
    Image.new("RGB", (56, 40)).save(root / "train" / "images" / "train5.jpg")
    Image.new("L", (56, 40)).save(root / "val" / "masks" / "stray.png")
    code, result, text = check()
    assert code == 2 and not result["usable"]
    assert kinds(result) == sorted(
        ["same name", "missing label", "label without image", "unreadable", "unreadable", "sizes differ"]
        + 3 * ["unknown value"]
    )
    assert result["unknown_values"] == [
        {"value": "value 77", "pixels": 12, "files": 2, "first": str(mask(root, "train2"))},
        {"value": "value 99", "pixels": 6, "files": 1, "first": str(mask(root, "val0"))},
    ]
    assert f"value 77: no class, 12 pixels in 2 files, first {mask(root, 'train2')}" in text
    for name in (
        "train0.png: not an image",
        "train1.png: image and label differ",
        "its label",
        "val1.png: not an image",
        "stray.png: has no",
    ):
        assert name in text
    assert "NOT usable: same name (1), missing label (1), unreadable (2), sizes differ (1), unknown value (3)" in text
    assert result["splits"]["train"]["usable"] == 1 and result["splits"]["val"]["usable"] == 1
    with pytest.raises(InputError):
        load(DataOptions(name="folder", root=str(root)))


def test_remarks_stop_nothing(root: Path, check: Check) -> None:
    image(root, "val1").write_bytes(image(root, "train2").read_bytes())
    for name in ("val0", "val1", "val2"):
        Image.new("RGB", (56, 40), (0, 200, 0)).save(mask(root, name))
    (root / "classes.csv").write_text((root / "classes.csv").read_text() + 'well,4,"9 9 9"\n')
    arguments = ("--data.name", "folder", "--data.root", str(root), "--data.allow_absent", "true")
    code, result, text = check(*arguments)
    assert code == 0 and result["usable"] and not any(problem["stops"] for problem in result["problems"])
    assert f"{image(root, 'val1')}: the same image as {image(root, 'train2')}; val is not independent of train" in text
    assert (
        "train: class well (value 4) never occurs; it is never learnt" in text
        and "val: class pond (value 2) never occurs; it gets no score" in text
    )
    assert kinds(result) == 5 * ["absent class"] + ["in two splits"]
    load(DataOptions(name="folder", root=str(root)))


def test_smoothed_borders(root: Path, check: Check) -> None:
    for name in ("train0", "train1"):
        picture = Image.open(mask(root, name))
        picture.resize((28, 20), Image.Resampling.NEAREST).resize((56, 40), Image.Resampling.BILINEAR).save(
            mask(root, name)
        )
    code, result, text = check()
    assert code == 2 and kinds(result) == 2 * ["unknown value"] and len(result["unknown_values"]) > 20
    assert all(entry["value"].startswith("colour (") for entry in result["unknown_values"])
    pixels = [entry["pixels"] for entry in result["unknown_values"]]
    assert pixels == sorted(pixels, reverse=True) and result["unknown_values"][0]["files"] == 2
    assert text.count(": no class, ") == 20 and f"and {len(pixels) - 20} more (--json gives all of them)" in text


@pytest.mark.parametrize(
    ("attack", "kind", "message"),
    [
        (lambda path: Image.open(path).convert("RGBA").save(path), None, ""),
        (lambda path: Image.new("RGBA", (56, 40), (0, 200, 0, 0)).save(path), "label format", "transparent pixels"),
        (
            lambda path: Image.fromarray(np.full((40, 56), 2, np.uint16)).save(path),
            "two readings",
            "does not fit, while masks are read as colours (train0.png fits no other reading)",
        ),
        (lambda path: Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=4).save(path), None, ""),
        (lambda path: (path.unlink(), path.symlink_to(path)), "unreadable", "symbolic links"),
        (lambda path: (path.unlink(), path.symlink_to(path.parent)), "unreadable", "directory"),
        (lambda path: (path.unlink(), path.mkdir()), "unreadable", "directory"),
        (lambda path: (path.parent / "again").symlink_to(path.parent), None, ""),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff" * 64), "unreadable", "truncated"),
        (lambda path: path.write_text("<svg/>"), "label format", "is SVG by its content"),
    ],
)
def test_attacks_on_one_mask(
    root: Path, check: Check, attack: Callable[[Path], object], kind: str | None, message: str
) -> None:
    attack(mask(root, "train3"))
    code, result, text = check()
    assert kinds(result) == ([kind] if kind else []) and code == (2 if kind else 0)
    assert kind is None or (
        message in result["problems"][0]["message"] and result["problems"][0]["file"] == str(mask(root, "train3"))
    )
    assert result["splits"]["train"]["usable"] == (5 if kind else 6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "classes.csv: cannot be read (Is a directory)"),
        ("name,id\nstraße,0\nweg,1\n".encode("latin-1"), "classes.csv: not valid CSV: it is not UTF-8 text"),
        (b"name,id\na,0\nb,0\n", "id 0 is given twice"),
        (b"name,weight\na,0\n", "unknown key 'weight'"),
    ],
)
def test_attacks_on_the_file_of_classes(
    root: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    (root / "classes.csv").unlink()
    if content is None:
        (root / "classes.csv").mkdir()
    else:
        (root / "classes.csv").write_bytes(content)
    assert main(["data", "check", "--data.name", "folder", "--data.root", str(root)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0]


def test_no_labelled_pixel_and_no_room(root: Path, check: Check, write_folder: Callable[..., Path]) -> None:
    write_folder(root, train=6, val=3, colours=False)
    for name in ("val0", "val1", "val2"):
        Image.new("L", (56, 40), 255).save(mask(root, name))
    code, result, text = check("--data.name", "folder", "--data.root", str(root), "--data.size", "65000x65000")
    assert code == 2 and kinds(result) == ["memory", "no labels"]
    assert "val: no image has a labelled pixel" in text and "give a smaller --data.size" in text


def test_missing_folders_and_empty_ones(root: Path, check: Check) -> None:
    (root / "val" / "masks").rename(root / "gone")
    for path in (root / "train" / "images").iterdir():
        path.unlink()
    code, result, text = check()
    assert code == 2 and result["splits"]["val"]["images"] == 0
    assert kinds(result) == ["label without image"] * 6 + ["missing folder", "no images"]
    assert "of them usable" in text and result["splits"]["train"]["sizes"]["distinct"] == 0


def test_names_that_are_no_text(root: Path, check: Check) -> None:
    strange = root / "train" / "images" / os.fsdecode(b"caf\xe9.png")
    strange.write_bytes(image(root, "train0").read_bytes())
    code, result, text = check()
    assert code == 2 and kinds(result) == ["missing label"] and "caf\\udce9.png" in text


def test_many_equal_lines_are_one(root: Path, check: Check) -> None:
    for name in (f"train{i}" for i in range(5)):
        mask(root, name).unlink()
    code, result, text = check()
    assert code == 2 and kinds(result).count("missing label") == 5  # the JSON names each
    assert "problems that stop training (1)" in text
    assert "5 files (train0.png, train1.png, train2.png, ...): " in text and text.count("train3.png") == 0


def test_a_wrong_size_comes_before_colours_that_are_no_class(root: Path, check: Check) -> None:
    Image.new("RGB", (28, 20), (1, 2, 3)).save(mask(root, "train1"))
    code, result, text = check()
    assert code == 2 and kinds(result) == ["sizes differ"]
    assert "(40x56 and 20x28)" in text and "it also holds colour (1, 2, 3)" in text


def test_255_that_should_be_a_class(root: Path, check: Check) -> None:
    for path in root.glob("*/masks/*.png"):
        Image.fromarray(np.tile(np.array([0, 255], np.uint8), (40, 28))).save(path)
    (root / "classes.csv").write_text("name,id\nsoil,0\nplant,1\n")
    code, result, text = check()
    assert code == 2 and kinds(result) == ["absent class", "covered class"] and not result["usable"]
    assert "train: class plant (value 1) never occurs" in text and "50 % of the pixels are ignored (value 255)" in text
    cure = "if 255 should be plant, give --data.threshold 128, or give it id 255 with false in the column ignore in"
    assert f"{cure} {root / 'classes.csv'}" in text
    (root / "classes.csv").write_text("name,id,ignore\nsoil,0,\nplant,255,false\n")
    assert check()[0] == 0  # the cure works


def test_an_undecided_reading_has_no_table(root: Path, check: Check) -> None:
    """Which class a pixel has is open, and so is every share."""
    for path in root.glob("*/masks/*.png"):
        image = Image.fromarray(np.tile(np.array([0, 1], np.uint8), (40, 28)))
        image.putpalette([200, 180, 100, 0, 200, 0, 1, 1, 1])  # the colours of path and grass
        image.save(path)
    code, result, text = check()
    assert code == 2 and kinds(result) == ["two readings"] and result["reading"] == ""
    assert result["splits"]["train"]["images"] == 6 and result["splits"]["train"]["usable"] == 0
    assert "class grass" not in text and "no mask says otherwise" not in text
    assert "folder, 4 classes; how labels are read is undecided" in text and "--data.labels index" in text


def test_long_names_of_classes_are_cut_in_the_table_alone(root: Path, check: Check) -> None:
    names = ["a" * 200, "a" * 150 + "b" + "a" * 49, "草" * 90, "hut"]
    rows = [f"{name},{index}" for index, name in enumerate(names)]
    for path in root.glob("*/masks/*.png"):
        Image.fromarray(np.tile(np.arange(4, dtype=np.uint8), (40, 14))).save(path)
    (root / "classes.csv").write_text("\n".join(["name,id", *rows, ""]), encoding="utf-8")
    code, result, text = check()
    table = text.partition("\n\n")[0]
    assert code == 0 and result["classes"] == names and set(result["splits"]["train"]["frequencies"]) == set(names)
    assert max(map(len, table.splitlines())) <= 120 and table.count("class ") == 4 and table.count("…") == 3


def test_marks_that_vanish(root: Path, check: Check) -> None:
    for path in root.glob("*/masks/*.png"):
        Image.fromarray(np.pad(np.ones((1, 1), np.uint8), ((17, 22), (30, 25)))).save(path)
    (root / "classes.csv").write_text("name,id\nsoil,0\nwire,1\n")
    options = ("--data.name", "folder", "--data.root", str(root), "--data.size")
    code, result, text = check(*options, "32x32")
    assert code == 2 and kinds(result) == ["vanishing class"] * 2
    size = result["problems"][1]["message"].partition("--data.size ")[2].partition(" keeps")[0]
    code, result, _ = check(*options, size)
    assert code == 0 and result["problems"] == []


@pytest.mark.parametrize("name", ["streets", "camvid", "cityscapes", "bdd100k"])
def test_the_other_data_sets(
    name: str, tmp_path: Path, check: Check, write_pair: Callable[..., tuple[Path, Path]]
) -> None:
    places = {
        "camvid": ("{split}/a_{split}.png", "{split}annot/a_{split}.png"),
        "cityscapes": (
            "leftImg8bit/{split}/ulm/{split}_leftImg8bit.png",
            "gtFine/{split}/ulm/{split}_gtFine_labelIds.png",
        ),
        "bdd100k": ("images/10k/{split}/{split}.jpg", "labels/sem_seg/masks/{split}/{split}.png"),
    }
    for split in ("train", "val") if name in places else ():
        write_pair(
            *(tmp_path / place.format(split=split) for place in places[name]), range(34 if name == "cityscapes" else 11)
        )
    few = () if name in ("streets", "camvid") else ("--data.allow_absent", "true")  # of their classes
    root = ("--data.root", str(tmp_path)) if name in places else ()
    code, result, text = check("--data.name", name, "--data.limit", "2", *root, *few)
    assert code == 0 and result["name"] == name and f"{name}: usable" in text
    assert result["splits"]["train"]["images"] == (1 if name in places else 2)
    assert set(result["splits"]["val"]["frequencies"]) == set(result["classes"])


def test_the_real_camvid(check: Check) -> None:
    folder = Path(os.environ.get("CAMVID_ROOT") or Path(__file__).parents[4] / "shared" / "camvid")
    if not folder.is_dir():
        pytest.skip(f"no CamVid at {folder}; set CAMVID_ROOT")
    code, result, _ = check("--data.name", "camvid", "--data.root", str(folder), "--data.limit", "40")
    assert code == 0 and result["problems"] == [] and result["splits"]["train"]["sizes"]["smallest"] == "360x480"
    assert result["splits"]["val"]["frequencies"]["road"] == max(result["splits"]["val"]["frequencies"].values())


def test_pictures_of_images_and_labels(
    root: Path, tmp_path: Path, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.report import label_sheet

    sheets: list[Any] = []

    def kept(rows: Any, titles: Any, *rest: Any) -> Any:
        sheets.append((titles, rows))
        return Figure()

    monkeypatch.setattr(label_sheet, "side_by_side", kept)
    image(root, "train1").write_bytes(b"no image")
    out = tmp_path / "sheets"
    code, result, text = check("--data.name", "folder", "--data.root", str(root), "--out", str(out))
    assert code == 2 and result["pictures"] == [str(out / "train.png"), str(out / "val.png")]
    assert {file.name for file in out.glob("*.png")} == {"train.png", "val.png"}
    assert f"picture  {out / 'val.png'}" in text
    titles, rows = sheets[0]
    assert titles == ("image", "label", "both") and len(rows) == 5  # the damaged one is left out
    photo, label, both = rows[0]
    expected = [np.asarray(Image.open(file)) for file in (image(root, "train0"), mask(root, "train0"))]
    np.testing.assert_array_equal(photo, expected[0])
    np.testing.assert_array_equal(label, expected[1])  # its colours are those of classes.csv
    np.testing.assert_array_equal(both, (expected[0].astype(int) + expected[1]) // 2)
    assert main(["data", "check", str(root), "--out", str(out)]) == 2  # nothing is overwritten
