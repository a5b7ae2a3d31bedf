"""A run's folder: files appear whole or not at all, and nothing of the user's is harmed."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from experiments.options.quantity import Quantity
from experiments.runs.folder import filled, prepare_run, read_config, write_config, write_metrics
from nas_space.errors import InputError


@dataclass
class Inner:
    macs: Quantity | None = None
    search: tuple[str, ...] = ("depth", "width")


@dataclass
class Outer:
    lr: float = 1e-3
    size: str = "96x128"
    root: Path = Path("somewhere")
    limit: int | None = None
    constraint: Inner = field(default_factory=lambda: Inner(Quantity("7.8G")))


def test_config_is_resolved_and_read_back(tmp_path: Path) -> None:
    write_config(tmp_path, Outer())
    expected = {
        "lr": 1e-3,
        "size": "96x128",
        "root": "somewhere",
        "limit": None,
        "constraint": {"macs": 7.8e9, "search": ["depth", "width"]},
    }
    assert read_config(tmp_path) == expected
    assert yaml.safe_load((tmp_path / "config.yml").read_text()) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "not a run"), ("[a", "not valid YAML"), ("a", "expected keys"), (b"\xff", "not valid YAML")],
)
def test_folder_without_a_config_is_named(tmp_path: Path, content: str | bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "config.yml").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError, match=f"{tmp_path}.*{message}"):
        read_config(tmp_path)


def test_default_folders_are_distinct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [prepare_run(None, "search", "ssr") for _ in range(5)]
    assert len(set(folders)) == 5
    assert all(
        folder.is_dir() and folder.parent == Path("runs") and folder.name.startswith("ssr-2") for folder in folders
    )


@pytest.mark.parametrize(
    "name", ["camvid/96x128", "/absolute", "../above", "..", ".hidden", "a\0b\nc", "x" * 300, "\u4e2d" * 300]
)
def test_a_name_that_is_no_file_name_makes_one_folder_below_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = prepare_run(None, "launch", name)
    assert folder.parent == Path("runs") and [path.name for path in tmp_path.rglob("*")] == ["runs", folder.name]
    assert not folder.name.startswith(".")


def test_the_characters_of_ordinary_names_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert prepare_run(None, "search", "my_module.Gini-2").name.startswith("my_module.Gini-2-2")
    assert prepare_run(None, "launch", "camvid/96x128").name.startswith("camvid-96x128-2")


def test_empty_and_missing_folders_are_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert prepare_run(str(tmp_path / "empty"), "search", "ssr") == tmp_path / "empty"
    assert prepare_run(str(tmp_path / "a" / "b"), "search", "ssr").is_dir()


@pytest.mark.parametrize("name", ["config.yml", ".hidden", "photo.png"])
def test_folder_with_files_is_refused_and_untouched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    for command in ("search", "retrain", "trial"):
        with pytest.raises(InputError) as caught:
            prepare_run(str(tmp_path), command, "ssr")
        message = str(caught.value)
        assert str(tmp_path) in message and "another --out" in message
        # Only a search or a retraining can be continued, and only where there is one.
        assert ("--resume" in message) == (command != "trial" and name == "config.yml")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "precious"}


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=str(out)):
            prepare_run(str(out), "search", "ssr")
    assert (tmp_path / "file").read_text() == "precious"


def test_metrics_are_replaced_whole(tmp_path: Path) -> None:
    rows = [{"epoch": 1, "miou": 0.1}, {"epoch": 2, "miou": 0.30000000000000004, "entropy": 1.5}]
    for count in (1, 2):
        write_metrics(tmp_path, rows[:count])
    assert (tmp_path / "metrics.csv").read_text() == "epoch,miou,entropy\n1,0.1,\n2,0.30000000000000004,1.5\n"


def test_options_that_a_run_does_not_know_are_filled_in() -> None:

    defaults = {"epochs": 24, "method": {"lr": 0.02, "order": 1}, "cost": {"size": None}}
    older = {"epochs": 3, "method": {"lr": 0.5}}
    assert filled(older, defaults) == {"epochs": 3, "method": {"lr": 0.5, "order": 1}, "cost": {"size": None}}
    assert filled({"method": {"lr": None}, "cost": None}, defaults) == {
        "epochs": 24,
        "method": {"lr": None, "order": 1},
        "cost": None,
    }
    assert defaults["method"] == {"lr": 0.02, "order": 1}
