"""The trained networks that come with the package: the folders of ``experiments/results`` that hold weights."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "results"
WEIGHTS, ARCHITECTURE = "model.safetensors", "architecture.json"


def shipped_networks() -> list[str]:
    """Names of the networks."""
    return sorted(weights.parent.name for weights in FOLDER.glob(f"*/{WEIGHTS}"))


def find_network(name: str | Path) -> Path:
    """The path ``name``; where nothing lies there, the folder of the network of the package that has this name."""
    path = Path(name)
    return FOLDER / path if str(name) in shipped_networks() and not path.exists() else path


def find_architecture(name: str) -> str:
    """The same for what reads architectures: the file of the network of the package, or ``name`` as it is."""
    path = find_network(name)
    return name if path == Path(name) else str(path / ARCHITECTURE)
