"""A folder is gone on with by the same options alone; what differs is told."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
import yaml

from experiments.runs.begun import LONGEST, check_begun
from nas_space.errors import InputError


@dataclass
class Part:
    lr: float = 0.1
    name: str | None = None


@dataclass
class Options:
    seeds: list[int] = field(default_factory=lambda: [0, 1])
    runs: list[str] = field(default_factory=list)
    part: Part = field(default_factory=Part)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (Options(seeds=[0]), "'seeds' (0,1, now 0)"),
        (Options(part=Part(lr=0.2)), "'part.lr' (0.1, now 0.2)"),
        (Options(part=Part(name="mine")), "'part.name' (none, now mine)"),
        (Options(runs=["a" * 100]), f"'runs' (, now {'a' * LONGEST}...)"),
    ],
)
def test_the_first_option_that_differs_is_told(changed: Options, told: str, tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text(yaml.safe_dump(asdict(Options())))
    check_begun(tmp_path, Options(), ())
    with pytest.raises(InputError) as error:
        check_begun(tmp_path, changed, ())
    assert str(error.value) == f"--out {tmp_path}: was begun with another {told}; choose another --out"
    check_begun(tmp_path, changed, ("seeds", "runs", "part"))


def test_values_that_look_alike_are_not_shown(tmp_path: Path) -> None:
    before, now = Options(runs=["a" * 100 + "b"]), Options(runs=["a" * 100 + "c"])
    (tmp_path / "config.yml").write_text(yaml.safe_dump(asdict(before)))
    with pytest.raises(InputError, match="was begun with another 'runs'; choose another --out"):
        check_begun(tmp_path, now, ())
