"""All masks of a set are read in one way: the same in every split, with every limit, and told; or the user is asked."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.data import load, open_source
from experiments.data.sets import reading
from experiments.data.sets.class_file import ClassList, Entry
from experiments.data.sets.reading import decide
from experiments.options.groups import DataOptions
from nas_space.errors import InputError

README = 'name,id,colour,ignore\nlawn,0,#00c800,\npath,1,"200 180 100",\npond,2,#0000c8,\nsky,3,#000000,yes\n'
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
BLACK_WHITE = "name,id,colour\nhole,1,#000000\nsheet,0,#ffffff\n"
Make = Callable[..., DataOptions]


def palette(values: np.ndarray, colours: list[int]) -> Image.Image:
    image = Image.fromarray(values.astype(np.uint8))
    image.putpalette(colours)
    return image


def parts(*values: int) -> np.ndarray:
    """``(40, 56)`` with these values, a column of each."""
    return np.repeat(np.array(values, np.uint8), -(-56 // len(values)))[None, :56].repeat(40, 0)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(classes: str, *masks: Image.Image, val: int = 1, **options: object) -> DataOptions:
        """The last ``val`` masks are validation."""
        for i, mask in enumerate(masks):
            split = "train" if i < len(masks) - val else "val"
            for kind in ("images", "masks"):
                (tmp_path / split / kind).mkdir(parents=True, exist_ok=True)
            mask.save(tmp_path / split / "masks" / f"m{i}.png")
            noise = np.random.default_rng(i).integers(0, 255, (40, 56, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / split / "images" / f"m{i}.png")
        (tmp_path / "classes.csv").write_text(classes)
        return DataOptions(name="folder", root=str(tmp_path), size="40x56", **options)  # type: ignore[arg-type]

    return write


def test_a_mask_of_one_value_is_read_as_all_others_are(make: Make) -> None:
    """Palette colour 0 is black, the colour of another class."""
    options = make(README, palette(parts(0), VOC), palette(parts(0, 1), VOC), palette(parts(0), VOC))
    data = load(options)
    assert (data.train.labels[0] == 0).all() and (data.val.labels == 0).all()
    assert (data.train.labels[1].numpy() == parts(0, 1)).all()
    assert open_source(options).reading == "masks are read as palette indices (m1.png fits no other reading)"


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_all_black_masks_of_a_black_and_white_set(make: Make, mode: str) -> None:
    masks = [Image.fromarray(parts(*values)).convert(mode) for values in ((0,), (0, 255), (0,))]
    data = load(make(BLACK_WHITE, *masks))
    # By id, 0 would be the sheet. Classes stand in the order of their ids.
    assert data.classes == ("sheet", "hole") and (data.val.labels == 1).all() and (data.train.labels[0] == 1).all()
    assert set(data.train.labels[1].unique().tolist()) == {0, 1}


def test_the_reading_does_not_depend_on_the_limit(make: Make) -> None:
    masks = [palette(parts(0), VOC)] * 4 + [palette(parts(0, 1), VOC)] + [palette(parts(0), VOC)]
    for limit in (1, 2, None):
        assert (load(make(README, *masks, limit=limit)).train.labels[0] == 0).all()


def test_two_readings_that_fit_and_differ(make: Make) -> None:
    masks = [palette(parts(0), VOC)] * 3
    for options, index in ((make(README, *masks, labels="palette"), 0), (make(README, *masks, labels="index"), 0)):
        assert (open_source(options).splits["train"][0].read()[1] == index).all()
    assert (open_source(make(README, *masks, labels="colour")).splits["val"][0].read()[1] == 255).all()
    with pytest.raises(InputError, match=r"m0\.png: ids and colours of classes\.csv .* --data\.labels index, palette"):
        open_source(make(README, *masks))


def test_palettes_of_no_class_are_judged_where_classes_have_colours(make: Make) -> None:
    own = palette(parts(0, 1, 2), [0, 200, 0, 200, 180, 100, 0, 0, 200])
    greys = palette(parts(0, 1, 2), [2, 2, 2, 1, 1, 1, 0, 0, 0])
    voc, other = (palette(parts(0, 1, 2), [*VOC[:3], *VOC[place:], *VOC[3:place]]) for place in (3, 6))
    load(make(README, own, voc, voc))
    for masks, message in (([greys] * 3, "m0.*shows index 0 as the grey 2"), ([voc, own, other], "m2.*gives index 1")):
        with pytest.raises(InputError, match=message):
            load(make(README, *masks))


def test_masks_that_fit_nothing(make: Make) -> None:
    options = make(README, *[Image.fromarray(parts(77, 78))] * 3)
    assert open_source(options).reading == "masks are read as ids (no mask fits ids or colours)"


def test_one_rule_for_every_mask_also_where_it_speaks_against(make: Make) -> None:
    """A colour mask among index masks is refused, whichever of them is read first."""
    index = Image.fromarray(parts(0, 1, 2))
    colour = Image.fromarray(np.array([(0, 200, 0), (0, 0, 200)], np.uint8)[parts(0, 1)])
    for masks, bad in (([index, index, colour], "m2"), ([colour, index, index], "m0"), ([colour, colour, index], "m2")):
        with pytest.raises(InputError, match=rf"{bad}\.png: does not fit, while masks are read as"):
            load(make(README, *masks))


def test_a_palette_of_the_classes_colours_needs_no_look_at_pixels(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    own = [0, 200, 0, 200, 180, 100, 0, 0, 200, 0, 0, 0]
    options = make(README, *[palette(parts(0, 1, 2, 3), own)] * 3)
    monkeypatch.setattr(reading, "open_label", lambda *_: pytest.fail("a mask was decoded"))
    assert open_source(options).reading == "masks are read as palette indices (no mask says otherwise)"


def test_deciding_looks_at_few_masks_and_at_each_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    real = reading.open_label

    def counted(path: Path, first_page: bool) -> object:
        opened.append(path)
        return real(path, first_page)

    monkeypatch.setattr(reading, "open_label", counted)
    options = make(README, *[Image.fromarray(parts(0, 1, 2))] * 70)
    open_source(options)
    assert 0 < len(opened) <= reading.FIRST
    before = len(opened)
    open_source(options)
    assert len(opened) == before


@pytest.mark.parametrize(
    ("given", "classes", "message"),
    [
        ({"labels": "ids"}, README, "data.labels: unknown 'ids'; choose from index, palette, colour"),
        (
            {"labels": "colour"},
            "name,id\na,0\nb,1\n",
            r"data.labels: colour needs colours, but .*classes\.csv gives none",
        ),
        ({"labels": "index"}, "name,colour\na,#000000\nb,#ffffff\n", "data.labels: index needs ids, but"),
        ({"threshold": 0}, BLACK_WHITE, "data.threshold: 0 must lie from 1 to 255"),
        ({"threshold": 128}, README, "data.threshold: divides pixels into two classes, but .* gives 3"),
        ({"threshold": 128, "labels": "index"}, BLACK_WHITE, "data.threshold: takes the place of data.labels"),
    ],
)
def test_options_that_cannot_be(make: Make, given: dict[str, object], classes: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_source(make(classes, *[Image.fromarray(parts(0, 1))] * 3, **given))


def test_palette_is_asked_for_and_not_there(make: Make) -> None:
    with pytest.raises(InputError, match=r"m0\.png: has no palette"):
        load(make(README, *[Image.fromarray(parts(0, 1))] * 3, labels="palette"))


def test_training_tells_the_reading(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    load(make(README, *[Image.fromarray(parts(0, 1))] * 3))
    assert "folder: masks are read as ids (m0.png fits no other reading)" in capsys.readouterr().err


SOFT = np.tile(
    np.concatenate([np.zeros(24, np.uint8), np.arange(16, 240, 28, dtype=np.uint8), np.full(24, 255, np.uint8)]),
    (40, 1),
)
IDS = "name,id\nhole,0\nsheet,1\n"


@pytest.mark.parametrize("classes", [IDS, BLACK_WHITE, "name,colour\nhole,#000000\nsheet,#ffffff\n"])
def test_soft_edges_are_one_line_with_the_cure(make: Make, classes: str) -> None:
    masks = [Image.fromarray(SOFT), Image.fromarray(SOFT).convert("RGB"), Image.fromarray(SOFT)]
    source = open_source(make(classes, *masks))
    for sample in (*source.splits["train"], *source.splits["val"]):
        with pytest.raises(InputError, match=r"m\d\.png: .*soft edges.*--data\.threshold 128") as caught:
            sample.read()
        assert caught.value.values == {}  # type: ignore[attr-defined]
    data = load(make(classes, *masks, threshold=128))
    hole = data.classes.index("hole")
    assert (data.train.labels[0].numpy() == np.where(SOFT >= 128, 1 - hole, hole)).all()
    assert data.train.labels.shape == (2, 40, 56) and (data.train.labels[0] == data.train.labels[1]).all()


@pytest.mark.parametrize("classes", [IDS, IDS.replace("1", "255")])
def test_a_threshold_reads_black_and_white_by_ids(make: Make, classes: str) -> None:
    options = make(classes, *[Image.fromarray(parts(0, 255))] * 3, threshold=128)
    assert (load(options).val.labels[0].numpy() == parts(0, 1)).all()
    assert open_source(options).reading == "masks are read as shades: sheet from 128 on, hole below"


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (Image.fromarray(parts(0, 1)), "holds 0 and 1, both below --data.threshold 128 .and 2 more"),
        (
            Image.fromarray(np.array([(0, 0, 0), (255, 0, 0)], np.uint8)[parts(0, 1)]),
            "holds colours, or 16-bit numbers",
        ),
        (Image.fromarray(parts(0, 1).astype(np.uint16)), "holds colours, or 16-bit numbers"),
    ],
)
def test_what_a_threshold_cannot_divide(make: Make, mask: Image.Image, message: str) -> None:
    with pytest.raises(InputError, match=rf"m0\.png: {message}"):
        load(make(IDS, *[mask] * 3, threshold=128))


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ("name,id,ignore\nhole,0,\nsheet,255,no\nborder,128,yes\n", ", 128 (border) ignored"),
        ("name,id,colour,ignore\nhole,0,#000000,\nsheet,1,#ffffff,\nborder,2,#808080,yes\n", ", 128 (border) ignored"),
        ("name,id\nhole,0\nsheet,1\nvoid,128\n", ", 128 (void) ignored"),
        ("name,id,ignore\nhole,0,\nsheet,1,\nfar,300,yes\n", ""),
    ],
)
def test_a_threshold_keeps_what_is_listed_as_ignored(make: Make, classes: str, words: str) -> None:
    options = make(classes, *[Image.fromarray(parts(0, 128, 255))] * 3, threshold=128)
    assert np.unique(load(options).val.labels).tolist() == ([0, 1, 255] if words else [0, 1])
    assert open_source(options).reading == f"masks are read as shades: sheet from 128 on, hole below{words}"


RAMP = np.tile(np.arange(56, dtype=np.uint8), (40, 1))


@pytest.mark.parametrize(
    ("mask", "threshold", "values"),
    [
        *[(parts(*pair), 128, pair) for pair in ((0, 38), (0, 100), (0, 2), (1, 2), (200, 255), (130, 220))],
        (parts(0, 0, 50, 100), 128, (0, 50)),
        (parts(*[0] * 10, *[100] * 10, 40, 70), 128, (0, 100)),  # with soft edges
        (parts(0, 128), 200, (0, 128)),
        *[(parts(value), 128, None) for value in (0, 38, 200, 255)],
        (parts(0, 255), 128, None),
        (RAMP % 13, 128, None),  # noise
        (255 - RAMP % 13, 128, None),
        (parts(254, 255), 128, None),
        (2 * RAMP, 128, None),  # a faint gradient
        (parts(1, 2), 1, None),  # what is not 0 is the second class
        (parts(0, 128), 255, None),
        (parts(0, 64), 128, None),  # 64 is ignored
    ],
)
def test_two_values_on_one_side_of_a_threshold(
    make: Make, mask: np.ndarray, threshold: int, values: tuple[int, int] | None
) -> None:
    classes = f"{IDS}border,64,yes\n".replace("e,0", "e,0,").replace("t,1", "t,1,").replace("name,id", "name,id,ignore")
    good = Image.fromarray(parts(0, 255))
    options = make(classes, good, Image.fromarray(mask), Image.fromarray(mask), good, threshold=threshold)
    if values is None:
        open_source(options)
        return
    message = r"m1\.png: holds {} and {}, both (not )?below --data\.threshold {} \(and 1 more such mask\)"
    with pytest.raises(InputError, match=message.format(*values, threshold)):
        open_source(options)


PALETTES = {
    "the same": ([(9, 0, 0), (200, 0, 0)], [(9, 0, 0), (200, 0, 0)], None),
    "black and white": ([(0, 0, 0), (255, 255, 255)], [(0, 0, 0), (255, 255, 255)], None),
    "the ids as greys": ([(0, 0, 0), (1, 1, 1)], [(0, 0, 0), (1, 1, 1)], None),
    "one more entry": ([(9, 0, 0), (200, 0, 0)], [(9, 0, 0), (200, 0, 0), (3, 3, 3)], None),
    "black for another index": ([(9, 9, 9), (0, 0, 0)], [(9, 9, 9), (0, 0, 0)], None),
    "each its own": ([(0, 0, 0), (255, 0, 0)], [(255, 0, 0), (0, 0, 0)], "gives index 0 the colour"),
    "other ids as greys, and entries without use": (
        [(1, 1, 1), (0, 0, 0), (9, 0, 0)],
        [(1, 1, 1), (0, 0, 0), (9, 0, 0)],
        "shows index 0 as the grey 1",
    ),
    "other ids as greys": ([(1, 1, 1), (0, 0, 0)], [(1, 1, 1), (0, 0, 0)], "shows index 0 as the grey 1"),
}


@pytest.mark.parametrize("name", PALETTES)
def test_palettes_without_colours_to_compare_with(name: str, tmp_path: Path) -> None:
    first, second, message = PALETTES[name]
    masks = []
    for number, palette in enumerate((first, second, first)):
        image = Image.fromarray(np.resize(np.array([0, 0, 1], np.uint8), (32, 40)))
        image.putpalette([part for colour in palette for part in colour])
        masks.append(tmp_path / f"{number}.png")
        image.save(masks[-1])
    entries = (Entry("soil", 0, None, False), Entry("plant", 1, None, False))
    decision = decide(ClassList(Path("classes.csv"), entries), masks, None, first_page=False)
    assert decision.reading == "palette" and (decision.problem is None) == (message is None)
    if message is not None:
        assert message in str(decision.problem) and "--data.labels index" in str(decision.problem)
        assert decide(ClassList(Path("classes.csv"), entries), masks, "index", first_page=False).problem is None
