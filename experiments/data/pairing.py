"""Which image and label belong together where their names are not the same."""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from os.path import commonprefix
from pathlib import Path

WORD = re.compile(r"[\W_]*[^\W\d_].*", re.DOTALL)
"""An ending such as ``_mask``, ``.jpg`` or ``L``. One that begins with a digit belongs to the number of an image."""
KNOWN = ("mask", "masks", "label", "labels", "gt", "annotation", "annotations", "seg", "segmentation", "groundtruth")
"""Endings that may follow letters without anything between them."""
ANCHORS = 5
"""Images whose labels are looked for to find the constant ending of all."""


@dataclass(frozen=True)
class Pairing:
    """Images and labels that belong together.

    Args:
        pairs: name of an image -> name of its label.
        how: how the names differ, in words; empty if they are equal.
        rivals: endings that fit equally well, so that none of them counts.
        endings: the constant ones of images and of labels; empty where there are none.
    """

    pairs: Mapping[str, str]
    how: str = ""
    rivals: tuple[str, ...] = ()
    endings: tuple[str, str] = ("", "")


def fold(name: str) -> str:
    """The same text for names that differ only in case or in Unicode composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def pair_names(images: Mapping[str, Path], labels: Mapping[str, Path]) -> Pairing:
    """Pair equal names, and others only where the whole set allows one way.

    Names may differ in case or Unicode composition. Where no names are equal, the labels may have a constant ending or
    beginning, and the images another one: ``a.jpg`` and ``a_mask.png``, or ``a_sat.jpg`` and ``a_mask.png``.

    Args:
        images: name -> file.
        labels: name -> file.
    """
    pairs = {name: name for name in images.keys() & labels.keys()}
    if len(pairs) == min(len(images), len(labels)):
        return Pairing(pairs)
    folded = _unique_pairs({name: fold(name) for name in images}, {name: fold(name) for name in labels})
    more = {image: label for image, label in folded.items() if image not in pairs and label not in pairs}
    if pairs or more:
        return Pairing(pairs | more, "in case or Unicode composition" if more else "")
    by_file = _unique_pairs({name: fold(path.name) for name, path in images.items()}, {n: fold(n) for n in labels})
    if by_file and len(by_file) == len(images):
        return Pairing(by_file, "in the image's own ending")
    for backwards in (False, True):
        result = _by_constant(images, labels, backwards)
        if result.pairs or result.rivals:
            return result
    return Pairing({})


class Neighbours:
    """The files of a folder by name, to tell which one may have been meant.

    Args:
        names: the files' names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted((fold(name), name) for name in names)

    def numbered(self, name: str) -> list[str]:
        """Files whose names are ``name`` with a number behind it, such as ``a_0.png`` or ``a_mask 1.png``."""
        key = fold(name)
        pattern = re.compile(rf"{re.escape(key)}[\W_]+(?:[^\W\d_]+[\W_]*)?\d+\)?\.\w+")
        start = bisect_left(self._names, (key, ""))
        files = takewhile(lambda pair: pair[0].startswith(key), self._names[start:])
        return [file for folded, file in files if pattern.fullmatch(folded)]

    def near(self, name: str) -> str | None:
        """A file whose name is ``name`` in another form, or begins with it; None if there is none."""
        key = fold(name)
        place = bisect_left(self._names, (key, ""))
        for folded, file in self._names[place:]:
            if not folded.startswith(key):
                break
            if not folded[len(key) : len(key) + 1].isdigit():  # image 1 is not image 10
                return file
        ending = re.compile(rf"[\W_]{re.escape(key)}(?!\d)")
        return next((file for folded, file in self._names if ending.search(folded)), None) if key else None


def _unique_pairs(images: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """Pairs of equal keys; a key that several images or several labels have pairs nothing."""
    image_counts, label_counts = Counter(images.values()), Counter(labels.values())
    by_key = {key: name for name, key in labels.items() if label_counts[key] == 1}
    return {name: by_key[key] for name, key in images.items() if image_counts[key] == 1 and key in by_key}


def _by_constant(images: Collection[str], labels: Collection[str], backwards: bool) -> Pairing:
    step = -1 if backwards else 1
    image_keys, label_keys = ({fold(name)[::step]: name for name in names} for names in (images, labels))
    if len(image_keys) < len(images) or len(label_keys) < len(labels):
        return Pairing({})
    names = sorted(image_keys)
    anchors = {names[i * (len(names) - 1) // (ANCHORS - 1)] for i in range(ANCHORS)} if names else set()
    ends = {end for anchor in anchors for end in _ends(anchor, label_keys)}
    found: dict[tuple[str, str], dict[str, str]] = {}
    for of_image, of_label in ends:
        stems = ((name, name.removesuffix(of_image)) for name in names if name.endswith(of_image))
        pairs = {
            image_keys[n]: label_keys[stem + of_label] for n, stem in stems if stem and stem + of_label in label_keys
        }
        # With an ending on both sides, one pair alone may be two different images.
        if 2 * len(pairs) > min(len(images), len(labels)) and (not (of_image and of_label) or len(pairs) > 1):
            found[of_image, of_label] = pairs
    if not found:
        return Pairing({})
    best = max(found, key=lambda end: len(found[end]))
    rivals = [end for end in found if 2 * len(found[end]) >= len(found[best])]
    if len(rivals) == 1 and not backwards and _has_other_numbers(best[1], [*label_keys]):
        return Pairing({})  # a mask for each object
    where = "beginning" if backwards else "ending"
    written = {
        end: (_as_written(image, end[0], backwards), _as_written(label, end[1], backwards))
        for end in rivals
        for image, label in [min(found[end].items())]
    }
    if len(rivals) > 1:
        return Pairing({}, rivals=tuple(sorted(f"{where} {of_label!r}" for _, of_label in written.values())))
    parts = [
        f"the {where} {part!r} of {side}"
        for part, side in zip(written[best], ("images", "labels"), strict=True)
        if part
    ]
    return Pairing(found[best], f"in {' and '.join(parts)}", endings=("", "") if backwards else written[best])


def _as_written(name: str, end: str, backwards: bool) -> str:
    """The part of a name that is ``end`` where case and composition do not count."""
    parts = (name[:place] if backwards else name[len(name) - place :] for place in range(len(name) + 1))
    step = -1 if backwards else 1
    return next((part for part in parts if fold(part)[::step] == end), end[::step])


def _has_other_numbers(end: str, labels: Iterable[str]) -> bool:
    """Whether some labels end like ``_mask0``, but with another number."""
    word = end.rstrip("0123456789")
    other = re.compile(rf".+{re.escape(word)}\d+", re.DOTALL)
    return word != end and any(not label.endswith(end) and other.fullmatch(label) for label in labels)


def _ends(image: str, labels: Iterable[str]) -> Iterator[tuple[str, str]]:
    for label in labels:
        length = len(commonprefix([image, label]))
        while length and not (_parts_at(image, length) and _parts_at(label, length)):
            length -= 1
        ends = image[length:], label[length:]
        if length and all(not end or WORD.fullmatch(end) for end in ends):
            yield ends


def _parts_at(name: str, place: int) -> bool:
    """Whether a word ends here, or begins."""
    if place == len(name) or name[place:] in KNOWN or name[place:][::-1] in KNOWN:
        return True
    before, after = name[place - 1], name[place]
    return not before.isalnum() or not after.isalnum() or (before.isdigit() and not after.isdigit())
