"""Tables are kept by everything that decides them, and one line says what was used."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.latency import cache
from experiments.latency.cache import Wanted, find_table
from experiments.runs.load import LoadMeter
from experiments.runtime.interface import Interface
from nas_space.config import SpaceConfig


@pytest.fixture
def wanted(tiny: Callable[..., SpaceConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(LoadMeter, "others", lambda _: 0.0)
    return Wanted(tiny(), (64, 96), 5)


def find(wanted: Wanted, again: bool = False) -> tuple[str, str]:
    """The table's JSON, and the lines that were said."""
    said: list[str] = []
    return find_table(wanted, said.append, 1, again).to_json(), "\n".join(said)


def test_a_table_is_measured_once(fake: Any, wanted: Wanted, tmp_path: Path) -> None:
    first, said = find(wanted)
    file = wanted.file()
    assert said == f"latency table: measuring with onnxruntime, fp32, 1 thread, at 64x96; kept in {file}"
    assert file.parent == tmp_path / "ssr-nas" / "latency" and file.read_text() == first
    spent = fake.now
    again, said = find(wanted)
    assert again == first and fake.now == spent
    assert said.startswith("latency table: cached of 20") and said.endswith(f", {file}")
    find(wanted, again=True)
    assert fake.now > spent


def test_a_loaded_machine_is_told(fake: Any, wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoadMeter, "others", lambda _: float(os.cpu_count() or 1))
    said = find(wanted)[1].splitlines()
    assert said[1].startswith("warning: the machine was loaded: others kept ") and said[1].endswith(
        " --head encoder --again true"
    )
    assert len(find(wanted)[1].splitlines()) == 1  # of the cache


def test_searched_dimensions_and_depths_do_not_count(wanted: Wanted) -> None:
    other = replace(wanted.space, search=(), depths=((2,), (3, 4)))
    assert replace(wanted, space=other).file() == wanted.file()


def test_a_table_of_other_files_is_out_of_date(wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever updates the toolkit may export other files: those are measured again."""
    source = tmp_path / "writes_files.py"
    source.write_text("FORM = 'pad'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(cache, "WRITERS", (*cache.WRITERS, source.stem))
    before = wanted.file()
    assert wanted.file() == before
    source.write_text("FORM = 'zeros'\n")
    assert wanted.file() != before


@pytest.mark.parametrize(
    "change",
    [
        {"size": (64, 64)},
        {"classes": 4},
        {"engine": "openvino"},
        {"precision": "int8"},
        {"threads": 2},
        {"head": "aggregation"},
        {"interface": Interface(argmax=True)},
    ],
    ids=str,
)
def test_whatever_else_differs_has_a_file_of_its_own(wanted: Wanted, change: dict[str, Any]) -> None:
    assert replace(wanted, **change).file() != wanted.file()


def test_another_space_device_or_version_too(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {wanted.file(), replace(wanted, space=replace(wanted.space, stem=5)).file()}
    monkeypatch.setattr(cache, "processor_name", lambda: "an abacus")
    files.add(wanted.file())
    monkeypatch.setattr(cache, "engine_versions", lambda packages: {"onnxruntime": "0"})
    files.add(wanted.file())
    assert len(files) == 4


@pytest.mark.parametrize("damage", [lambda text: text[:-20], lambda text: text.replace('"classes": 5', '"classes": 6')])
def test_a_damaged_or_misplaced_table_is_measured_again(
    fake: Any, wanted: Wanted, damage: Callable[[str], str]
) -> None:
    find(wanted)
    wanted.file().write_text(damage(wanted.file().read_text()))
    assert "measuring" in find(wanted)[1]
    assert "cached" in find(wanted)[1]


def test_a_cache_that_cannot_be_written_costs_nothing(fake: Any, wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "ssr-nas").write_text("")
    _, said = find(wanted)
    assert said.splitlines()[1].startswith(f"latency table: not kept, {wanted.file()}: ")


def test_where_it_is_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache.cache_folder() == Path("/home/somebody/.cache/ssr-nas")
