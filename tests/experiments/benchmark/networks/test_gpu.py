import pytest

from experiments.benchmark.networks.gpu import driver


@pytest.mark.parametrize(
    ("script", "version"), [("echo 550.54.15; echo 550.54.15", "550.54.15"), ("exit 9", None), ("true", None)]
)
def test_the_driver_is_asked_for_its_version(tmp_path, monkeypatch, script, version):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert driver() == version


def test_no_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert driver() is None
