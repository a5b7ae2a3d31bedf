import unicodedata
from pathlib import Path

import pytest

from experiments.data.pairing import Neighbours, pair_names


def files(*names: str) -> dict[str, Path]:
    """Name without extension -> file; without a dot, the file is a PNG."""
    paths = [Path(name if "." in name else f"{name}.png") for name in names]
    return {path.stem: path for path in paths}


def pairs(images: dict[str, Path], labels: dict[str, Path]) -> dict[str, str]:
    return dict(pair_names(images, labels).pairs)


@pytest.mark.parametrize(
    "pattern",
    ["{}_mask", "{}_label", "{}.jpg", "{}_annotation", "{}_gtFine_labelIds", "{}_L", "{}-gt", "{} (mask)", "{}mask",
     "mask_{}", "label-{}", "GT{}", "gtFine_labelIds {}"],
)  # fmt: skip
@pytest.mark.parametrize("names", [("img_001", "img_002", "img_010"), ("001", "002", "011"), ("0001TP_006690",)])
def test_a_constant_ending_or_beginning_of_all_labels(pattern: str, names: tuple[str, ...]) -> None:
    images, labels = ({name: Path(f"{name}.png") for name in group} for group in (names, map(pattern.format, names)))
    assert pairs(images, labels) == {name: pattern.format(name) for name in names}


def test_endings_on_both_sides() -> None:
    names = ("100034", "1006", "119")
    images, labels = ({f"{name}_{end}": Path(f"{name}_{end}.png") for name in names} for end in ("sat", "mask"))
    result = pair_names(images, labels)
    assert result.pairs == {f"{name}_sat": f"{name}_mask" for name in names}
    assert "ending" in result.how and "sat" in result.how and "mask" in result.how


def test_labels_that_keep_the_ending_of_their_image() -> None:
    images = files("a.jpg", "b.png", "c.JPG")
    labels = {name: Path(f"{name}.png") for name in ("a.jpg", "b.png", "c.jpg")}
    assert pairs(images, labels) == {"a": "a.jpg", "b": "b.png", "c": "c.jpg"}


def test_case_and_unicode_composition() -> None:
    composed, apart = (unicodedata.normalize(form, "Straßé") for form in ("NFC", "NFD"))
    assert composed != apart
    result = pair_names(files("IMG_1", composed, "plain"), files("img_1", apart, "plain"))
    assert result.pairs == {"IMG_1": "img_1", composed: apart, "plain": "plain"}
    assert "case" in result.how


def test_equal_names_come_first_and_need_no_remark() -> None:
    result = pair_names(files("a", "b"), files("a", "b", "a_mask", "b_mask"))
    assert result.pairs == {"a": "a", "b": "b"} and result.how == ""


def test_two_labels_of_one_name_but_for_case_pair_nothing() -> None:
    assert pairs(files("Foto", "b"), files("foto", "FOTO", "b")) == {"b": "b"}
    assert pairs(files("Foto", "FOTO"), files("foto")) == {}


def test_two_kinds_of_endings_are_rivals() -> None:
    labels = files(*(f"{name}_{end}" for name in "abc" for end in ("mask", "colour")))
    result = pair_names(files("a", "b", "c"), labels)
    assert result.pairs == {} and result.rivals == ("ending '_colour'", "ending '_mask'")


def test_a_leftover_of_another_ending_changes_nothing() -> None:
    labels = files("a1_mask", "a2_mask", "a3_mask", "a3_old")
    assert pairs(files("a1", "a2", "a3", "a4"), labels) == {name: f"{name}_mask" for name in ("a1", "a2", "a3")}


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (("img_1",), ("img_10",)),  # a number goes on
        (("1", "2"), ("10", "20")),
        (("img_1", "img_2"), ("img_1_2", "img_2_2")),  # the second of a pair of images, perhaps
        (("a01", "b01"), ("a02", "b02")),
        (("street_a",), ("street_b",)),
        (("cat",), ("cab",)),
        (("cat",), ("dog",)),
        ((), ("a",)),
        (("a",), ()),
        (("a", "b", "c"), ("a", "b", "c_mask")),  # no constant ending of all
    ],
)
def test_what_may_be_another_image_is_not_paired(images: tuple[str, ...], labels: tuple[str, ...]) -> None:
    assert pairs(files(*images), files(*labels)) == {name: name for name in images if name in labels}


def test_neighbours() -> None:
    folder = Neighbours(["img_1.gif", "img_10.png", "Img_2_mask.png", "mask_img_3.png", "mask_img_31.png"])
    names = ("img_1", "IMG_2", "img_3", "img_4", "mask_img_31")
    assert [folder.near(name) for name in names] == [
        "img_1.gif", "Img_2_mask.png", "mask_img_3.png", None, "mask_img_31.png",
    ]  # fmt: skip


def test_a_mask_for_each_object_is_not_paired() -> None:
    """Most images have one object, some have two: the first object's mask is not the whole mask."""
    labels = files("a_mask0", "b_mask0", "c_mask0", "d_mask0", "e_mask0", "b_mask1")
    assert pairs(files(*"abcde"), labels) == {}
    assert len(pairs(files(*"abcde"), files(*(name for name in labels if name != "b_mask1")))) == 5


def test_endings_are_told_as_they_are_written() -> None:
    images, labels = files("Ulm_1", "Ulm_2"), files("Ulm_1_gtFine_labelIds", "Ulm_2_gtFine_labelIds")
    assert pair_names(images, labels).how == "in the ending '_gtFine_labelIds' of labels"
    assert "'SAT' of images and the ending 'Mask'" in pair_names(files("1_SAT", "2_SAT"), files("1_Mask", "2_Mask")).how
    assert "'GT_'" in pair_names(files("1_x", "2_x"), files("GT_1_x", "GT_2_x")).how


def test_numbered_neighbours() -> None:
    folder = Neighbours(["a_0.png", "A_1.png", "a_obj 2.png", "a (3).png", "a1_4.png", "ab_1.png", "a_mask.png"])
    assert folder.numbered("a") == ["a (3).png", "a_0.png", "A_1.png", "a_obj 2.png"]
    assert folder.numbered("b") == []
