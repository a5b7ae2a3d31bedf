"""Damaged files from whole ones, and what a reader may do with them: read, or refuse in one line.

``FUZZ_EXAMPLES=20000 pytest -n0 tests/fuzz`` tries that many new inputs a test; without it a few, always the same.
"""

import copy
import json
import os
import resource
import signal
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from nas_space.errors import InputError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
MEMORY = 2**30
"""Bytes that a reader may take beyond what the process holds."""
SECONDS = 20
"""After so long a reader hangs. No small file takes a hundredth of it."""

Op = tuple[int, float, int]


def budget(examples: int) -> settings:
    """Settings of a fuzz test: ``examples`` inputs, always the same, or ``FUZZ_EXAMPLES`` new ones."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],  # the inputs are small as they are; shrinking takes minutes
        report_multiple_bugs=False,
        suppress_health_check=checks,
    )


class Hang(BaseException):
    """A reader did not come back. No handler of ``Exception`` swallows it."""


@contextmanager
def limits() -> Iterator[None]:
    """Within it, at most ``MEMORY`` more bytes and ``SECONDS`` seconds."""

    def ring(signum: int, frame: object) -> None:
        raise Hang(f"no answer within {SECONDS} s")

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = signal.signal(signal.SIGALRM, ring)
    rest = signal.setitimer(signal.ITIMER_REAL, SECONDS)[0]  # of pytest-timeout
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.setitimer(signal.ITIMER_REAL, rest)
        signal.signal(signal.SIGALRM, before)


def attack(read: Callable[[], Any], folder: Path | None = None) -> Any:
    """Call a reader: its result, or None where it refuses. ``InputError`` alone may come out, and no file may appear.

    Args:
        read: the reader, with its file.
        folder: where nothing may change.
    """
    before = listing(folder) if folder else None
    try:
        with limits():
            return read()
    except InputError as error:
        assert str(error).strip(), "a refusal without a word"
        return None
    finally:
        if folder:
            assert listing(folder) == before, "a reader has written"


def listing(folder: Path) -> dict[str, int]:
    """Every file below a folder, with the time of its last change."""
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*")}


INTERESTING = (0, 1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
TOKENS = (b"", b"\0", b"\xff\xff\xff\xff", b"\xff" * 40, b"\0" * 40, b"\n", b"\r", b"%s", b"\xed\xa0\x80", b"A" * 300)
OPS = st.lists(
    st.tuples(st.integers(0, 9), st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1)), min_size=1, max_size=6
)


def change(data: bytes, ops: Sequence[Op], tokens: Sequence[bytes] = TOKENS) -> bytes:
    """``data`` with some bytes flipped, cut, doubled, or replaced by numbers and words that readers stumble over."""
    out = bytearray(data)
    for kind, place, value in ops:
        # Half of all changes fall on the first bytes, where headers are.
        at = int(place * 2 * min(64, len(out))) if place < 0.5 else int((2 * place - 1) * len(out))
        at, count = min(at, max(len(out) - 1, 0)), 1 + value % 64
        if kind == 0 and out:
            out[at] ^= 1 << value % 8
        elif kind == 1 and out:
            out[at] = value % 256
        elif kind == 2:
            del out[at : at + count]
        elif kind == 3:
            out[at:at] = out[at : at + count] * (1 + value % 3)
        elif kind == 4:
            del out[at:]
        elif kind == 5:
            out[at:at] = tokens[value % len(tokens)]
        elif kind == 6:
            token = tokens[value % len(tokens)]
            out[at : at + len(token)] = token
        elif kind in (7, 8):
            number = INTERESTING[value % len(INTERESTING)]
            out[at : at + 4] = struct.pack(">I" if kind == 7 else "<I", number)
        elif kind == 9:
            number = INTERESTING[value % len(INTERESTING)] & 0xFFFF
            out[at : at + 2] = struct.pack(">H" if value % 2 else "<H", number)
    return bytes(out)


def damaged(seeds: Sequence[bytes], tokens: Sequence[bytes] = TOKENS) -> st.SearchStrategy[bytes]:
    """One of the seeds, changed."""
    return st.builds(lambda seed, ops: change(seed, ops, tokens), st.sampled_from(seeds), OPS)


PNG = b"\x89PNG\r\n\x1a\n"
CHUNKS = (b"tRNS", b"PLTE", b"acTL", b"fcTL", b"eXIf", b"zTXt", b"iCCP", b"gAMA", b"sBIT", b"IEND", b"IDAT", b"IHDR")


def change_png(data: bytes, ops: Sequence[Op]) -> bytes:
    """A PNG whose chunks are changed, doubled, swapped or left out; their checksums are right again."""
    chunks, place = [], len(PNG)
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    for kind, where, value in ops:
        at = int(where * len(chunks))
        name, content = chunks[at] if chunks else (b"IEND", b"")
        if kind <= 4 and chunks:
            unpacked = _unpacked(content) if name == b"IDAT" and value % 2 else None
            changed = change(content if unpacked is None else unpacked, [(kind, value % 997 / 997, value)])
            chunks[at] = name, changed if unpacked is None else zlib.compress(changed)
        elif kind == 5 and chunks:
            del chunks[at]
        elif kind == 6 and chunks:
            chunks.insert(value % (len(chunks) + 1), chunks[at])
        elif kind == 7:
            chunks.insert(at, (CHUNKS[value % len(CHUNKS)], content[: value % 32]))
        elif kind >= 8 and chunks and len(chunks[0][1]) >= 13:
            header = bytearray(chunks[0][1])
            field = value % 7  # width, height, depth, colour, compression, filter, interlace
            number = INTERESTING[(value >> 8) % len(INTERESTING)]
            if field < 2:
                header[4 * field : 4 * field + 4] = struct.pack(">I", number)
            else:
                header[6 + field] = number % 256 if value % 3 else (value >> 8) % 20
            chunks[0] = chunks[0][0], bytes(header)
    parts = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return PNG + b"".join(parts)


def _unpacked(content: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(content, 2**20)
    except zlib.error:
        return None


TAGS = (254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 34665)


def change_tiff(data: bytes, ops: Sequence[Op]) -> bytes:
    """A TIFF whose tags say something else."""
    out = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack(order + "I", data[4:8])
    if start + 2 > len(data):
        return change(data, ops)
    (count,) = struct.unpack(order + "H", data[start : start + 2])
    for kind, where, value in ops:
        at = start + 2 + 12 * int(where * count)
        if at + 12 > len(out):
            continue
        number = INTERESTING[value % len(INTERESTING)] if value % 5 else value
        if kind <= 4:
            out[at + 8 : at + 12] = struct.pack(order + "I", number)
        elif kind == 5:
            out[at + 4 : at + 8] = struct.pack(order + "I", number)
        elif kind == 6:
            out[at + 2 : at + 4] = struct.pack(order + "H", value % 20)
        elif kind == 7:
            out[at : at + 2] = struct.pack(order + "H", TAGS[value % len(TAGS)])
        elif kind == 8:
            end = start + 2 + 12 * count
            out[end : end + 4] = struct.pack(order + "I", (start, 8, number)[value % 3])  # the next page
        else:
            out = bytearray(change(bytes(out), [(value % 10, where, value)]))
    return bytes(out)


def damaged_images(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the images, changed as bytes or, of a PNG or a TIFF, by what its parts mean."""

    def changed(seed: bytes, ops: Sequence[Op], blindly: bool) -> bytes:
        if not blindly and seed.startswith(PNG):
            return change_png(seed, ops)
        if not blindly and seed[:4] in (b"II*\0", b"MM\0*"):
            return change_tiff(seed, ops)
        return change(seed, ops)

    return st.builds(changed, st.sampled_from(seeds), OPS, st.booleans())


WEIRD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 31, 32, 255, 256, 4096, 65536, 2**31, 2**53, 2**63, 2**64, 10**30, 0.5, -0.0,
    1e308, -1e-320, float("nan"), float("inf"), float("-inf"), "", " ", "x", "1", "nan", "null", "a\nb", "\0",
    "../x", "%s{}", "ä\u202e", "\ud800", "9" * 5000, "A" * 10000, [], {}, [[]], [None], {"": None}, [0, 0],
    ["a", "b"], [1e308, 1e308], {"_name": {}}, [[1] * 50] * 50, 10**400, [0] * 5000,
)  # fmt: skip
TREE_OPS = st.lists(
    st.tuples(st.integers(0, 7), st.lists(st.floats(0, 1, exclude_max=True), max_size=6), st.integers(0, 2**20)),
    min_size=1,
    max_size=4,
)


def change_tree(tree: Any, ops: Sequence[tuple[int, list[float], int]]) -> Any:
    """Plain data with a value replaced, left out, doubled, wrapped, or under another key."""
    tree = json.loads(json.dumps(tree))  # lists, whatever the seed had
    for kind, way, value in ops:
        parent, key, here = None, None, tree
        for step in way:
            if not isinstance(here, dict | list) or not here:
                break
            keys = list(here) if isinstance(here, dict) else range(len(here))
            parent, key = here, keys[int(step * len(keys))]
            here = parent[key]
        weird = copy.deepcopy(WEIRD[value % len(WEIRD)])
        if parent is None:
            tree = weird if kind == 0 else tree
        elif kind <= 3:
            parent[key] = weird
        elif kind == 4:
            del parent[key]
        elif kind == 5:
            parent[key] = [here] if value % 2 else {"x": here}
        elif kind == 6 and isinstance(parent, list):
            parent.extend(copy.deepcopy(parent[: 1 + value % 3]))
        elif isinstance(parent, dict):
            parent[str(weird)[:40]] = parent.pop(key) if kind == 7 else copy.deepcopy(here)
    return tree


def damaged_trees(seeds: Sequence[Any]) -> st.SearchStrategy[Any]:
    """One of some plain values, changed."""
    return st.builds(change_tree, st.sampled_from(seeds), TREE_OPS)


def as_json(tree: Any) -> bytes:
    """JSON text, in which lone surrogates and infinite numbers stand as Python writes them."""
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def damaged_json(seeds: Sequence[Any]) -> st.SearchStrategy[bytes]:
    """JSON of changed values, or changed JSON."""
    texts = [as_json(seed) for seed in seeds]
    tokens = (*TOKENS, b"[" * 3000, b'{"a":', b"NaN", b"1e999", b"null", b'"', b"9" * 5000, b"-", b"\\ud800", b"0.1,")
    return damaged_trees(seeds).map(as_json) | damaged(texts, tokens)
