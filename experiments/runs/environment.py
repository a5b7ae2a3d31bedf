"""What a result was measured with: versions and device."""

import os
import platform
from importlib.metadata import version


def package_version() -> str:
    """The version of this toolkit."""
    return version("ssr-nas")


def versions() -> dict[str, str]:
    """Versions of what decides a result."""
    import torch

    return {
        "ssr-nas": package_version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "nni": version("nni"),
        "pytorch-lightning": version("pytorch-lightning"),
    }


def device_name(device: str) -> str:
    """The device in words: a GPU's name, or the processor with its threads."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores)"
