from typing import Any

import pytest

from experiments.runs import environment
from experiments.runs.environment import gpu_driver, processor_name


@pytest.mark.parametrize(
    ("script", "version"), [("echo 550.54.15; echo 550.54.15", "550.54.15"), ("exit 9", None), ("true", None)]
)
def test_the_driver_is_asked_for_its_version(tmp_path, monkeypatch, script, version):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert gpu_driver() == version


def test_no_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_driver() is None


def test_the_processor_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processor_name()

    def missing(*_: Any, **__: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(environment.Path, "read_text", missing)  # no /proc, as on other systems
    monkeypatch.setattr(environment.platform, "processor", lambda: "")
    assert processor_name() == environment.platform.machine()
