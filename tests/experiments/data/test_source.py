import subprocess
import sys
from pathlib import Path

import pytest

from experiments.data.source import FINDERS, evenly, finder, open_source, survey
from experiments.options.groups import DataOptions
from nas_space.errors import InputError


def test_evenly() -> None:
    assert (
        evenly(list(range(10)), 5) == [0, 2, 4, 6, 8] and evenly([1, 2], None) == [1, 2] and evenly([1, 2], 9) == [1, 2]
    )


@pytest.mark.parametrize("name", FINDERS)
def test_every_name_leads_to_a_function(name: str) -> None:
    assert finder(name).__name__ == f"find_{name}"


@pytest.mark.parametrize("name", sorted(set(FINDERS) - {"streets"}))
def test_no_root_is_told_with_the_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CAMVID_ROOT", "CITYSCAPES_DATASET"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match=f"{name}: no folder given; set data.root"):
        open_source(DataOptions(name=name))
    with pytest.raises(InputError, match="nowhere: no such folder; data.root"):
        open_source(DataOptions(name=name, root="/nowhere"))


def test_streets_have_no_folder_and_classes_are_only_for_folders() -> None:
    with pytest.raises(InputError, match=r"data.root: streets are generated .* --data.name camvid, "):
        open_source(DataOptions(root="garden"))
    with pytest.raises(InputError, match="data.classes: streets has its own classes"):
        open_source(DataOptions(classes="mine.yml"))


def test_names_and_limits_are_checked_first() -> None:
    with pytest.raises(InputError, match="'mars'; choose from streets, camvid, cityscapes, bdd100k, folder"):
        survey(DataOptions(name="mars"))
    with pytest.raises(InputError, match="data.limit: 0"):
        survey(DataOptions(limit=0))


def test_one_problem_is_told_and_the_rest_counted(tmp_path: Path) -> None:
    for split in ("train", "trainannot", "val", "valannot"):
        (tmp_path / split).mkdir()
    with pytest.raises(InputError, match=r"train: holds no .*\(and 1 more: ssr-nas data check lists them all\)"):
        open_source(DataOptions(name="camvid", root=str(tmp_path)))
    assert len(survey(DataOptions(name="camvid", root=str(tmp_path))).problems) == 2


def test_finding_streets_does_not_load_torchvision() -> None:
    code = (
        "import sys; from experiments.data import open_source; from experiments.options.groups import DataOptions; "
        "open_source(DataOptions()); assert 'torchvision' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


@pytest.mark.parametrize("bits", [7, 17])
def test_bits_without_meaning(bits: int) -> None:
    with pytest.raises(InputError, match=f"data.image_bits: {bits} must be from 8 to 16"):
        survey(DataOptions(image_bits=bits))
