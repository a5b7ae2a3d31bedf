"""What a result was measured with: versions and device."""

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path


def versions() -> dict[str, str]:
    """Versions of what decides a result."""
    import torch

    return {
        "ssr-nas": version("ssr-nas"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "nni": version("nni"),
        "pytorch-lightning": version("pytorch-lightning"),
    }


def engine_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of what decides the speed of an engine, which has these packages."""
    engine = {name: str(import_module(name).__version__).partition("-")[0] for name in packages}
    return {"ssr-nas": version("ssr-nas"), "python": platform.python_version(), **engine}


def processor_name() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    names = (values.get(key) for key in ("model name", "Model", "Hardware"))  # the latter two: of Arm boards
    return next(filter(None, names), platform.processor() or platform.machine())


def gpu_driver() -> str | None:
    """Version of NVIDIA's driver; None where there is none."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.split()[0] if result.returncode == 0 and result.stdout.split() else None


def device_name(device: str) -> str:
    """The device in words: a GPU's name, or the processor with its threads."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores)"
