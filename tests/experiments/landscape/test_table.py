"""The files of a landscape: what is written is read, and what is damaged is named."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.landscape.table import TABLE, Trained, read_landscape, read_rows, write_rows
from nas_space.config import SpaceConfig
from nas_space.errors import InputError

PART = ("dilation", "pooling")


def test_what_is_written_is_read(
    tmp_path: Path,
    tiny: Callable[..., SpaceConfig],
    make_rows: Callable[..., list[Trained]],
    write_landscape: Callable[..., Path],
) -> None:
    space = tiny(PART)
    table = write_landscape(tmp_path / "streets.csv", space, count=3, noise=1e-3)
    read = read_landscape(table)
    assert (read.name, read.space, list(read.rows)) == ("streets", space, make_rows(space, count=3, noise=1e-3))
    assert table.read_text().splitlines()[:2] == [
        "name,architecture,seed,miou,macs,params,minutes",
        f"baseline1,d1s1 d1s1 | d1s1,0,{read.rows[0].miou},1000000,1000,0.5",
    ]
    assert read_landscape(write_landscape(tmp_path / "mine" / TABLE, space, count=1).parent).name == "mine"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("0.5", "1.5", "line 2: miou 1.5 must be from 0 to 1"),
        ("d1s1 d1s1", "d1s1 d9s1", "line 2: architecture: stages.0..1..dilation is 9"),
        (",0,", ",zero,", "line 2: invalid literal"),
        ("baseline2,d1s1 d1s1 | d2s1", "baseline2,d1s1 d1s1 | d1s1", "stands there twice with seed 0"),
        ("minutes", "hours", "line 2: 'minutes' is missing"),
        (",1000000,", ",nan,", "line 2: seed, macs, params and minutes must be numbers, 0 or more"),
        (",0.5\n", ",-0.5\n", "line 2: seed, macs, params and minutes must be numbers"),
        (",1000,", ",-1,", "line 2: seed, macs, params and minutes must be numbers"),
        ("random-0", "baseline2", "baseline2 and random-0 are one network; give all of its lines one name"),
    ],
)
def test_a_damaged_row_is_named(
    before: str,
    after: str,
    problem: str,
    tmp_path: Path,
    tiny: Callable[..., SpaceConfig],
    make_rows: Callable[..., list[Trained]],
) -> None:
    table = tmp_path / TABLE
    write_rows(table, make_rows(tiny(PART), lambda network: 0.5, count=1))
    table.write_text(table.read_text().replace(before, after, 1))
    with pytest.raises(InputError, match=f"landscape.csv: .*{problem}"):
        read_rows(table, tiny(PART))


def test_a_name_is_of_one_network(
    tmp_path: Path, tiny: Callable[..., SpaceConfig], make_rows: Callable[..., list[Trained]]
) -> None:
    rows = [replace(row, name="baseline1") for row in make_rows(tiny(PART), count=1)]
    write_rows(tmp_path / TABLE, rows)
    with pytest.raises(InputError, match="baseline1 is the name of two networks; give each its own"):
        read_rows(tmp_path / TABLE, tiny(PART))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "json: no such file; it says how"),
        ("{", "is no description of a landscape"),
        ("[]", "is no description of a landscape"),
        ({"space": {}}, "expected exactly the keys"),
        ({"schema": 2}, "schema must be 1"),
        ({"recipe": None}, "recipe is missing"),
    ],
    ids=str,
)
def test_a_damaged_description_is_named(
    content: dict[str, object] | str | None,
    problem: str,
    tmp_path: Path,
    tiny: Callable[..., SpaceConfig],
    write_landscape: Callable[..., Path],
) -> None:
    table = write_landscape(tmp_path / TABLE, tiny(PART), count=1)
    file = table.with_suffix(".json")
    facts = json.loads(file.read_text())
    if content is None:
        file.unlink()
    else:
        file.write_text(content if isinstance(content, str) else json.dumps({**facts, **content}))
    with pytest.raises(InputError, match=f"landscape.json.*{problem}|{problem}") as raised:
        read_landscape(table)
    assert str(raised.value).startswith(str(file)) and "\n" not in str(raised.value)


def test_a_missing_or_empty_table_is_named(
    tmp_path: Path, tiny: Callable[..., SpaceConfig], write_landscape: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match="landscape.csv: no such file; give the table of a landscape"):
        read_landscape(tmp_path)
    write_rows(write_landscape(tmp_path / TABLE, tiny(PART), count=1), [])
    with pytest.raises(InputError, match="landscape.csv: holds no training yet"):
        read_landscape(tmp_path)
