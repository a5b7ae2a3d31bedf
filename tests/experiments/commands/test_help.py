"""The help of every command is quick: it loads nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.commands import COMMANDS

ROOT = Path(__file__).parents[3]
HEAVY = "torch nni pytorch_lightning cv2 matplotlib pandas onnx onnxruntime openvino torchvision"
CODE = f"""
import sys
from experiments.cli import main

try:
    code = main([*sys.argv[1:], "--help"])
except SystemExit as error:
    code = error.code
assert not code, code
heavy = set("{HEAVY}".split()) & set(sys.modules)
assert not heavy, f"loaded for a help: {{sorted(heavy)}}"
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_light(name: str) -> None:
    command = [sys.executable, "-c", CODE, *name.split()]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "usage: " in result.stdout and "--config" in result.stdout
