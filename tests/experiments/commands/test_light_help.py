"""The help of a command shows its options without loading what the command needs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "nni", "pytorch_lightning", "cv2", "matplotlib", "pandas", "onnx", "onnxruntime", "openvino"}


@pytest.mark.parametrize("command", ["predict", "evaluate", "figures", "data check", "benchmark search", "space"])
def test_help_loads_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from experiments.cli import main; "
        f"assert main({[*command.split(), '--help']}) == 0; "
        f"heavy = {HEAVY} & set(sys.modules); assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and result.stdout.startswith("usage: "), result.stderr
