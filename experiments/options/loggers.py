"""The loggers that take a training's curves, by name. Loads none of them."""

from importlib.util import find_spec

from nas_space.errors import InputError

LOGGERS = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}
"""Name of a logger -> the package that it needs. All but the first are extras of the same name."""
PROJECT = "ssr-nas"
"""Under which Weights & Biases (its project) and MLflow (its experiment) gather the runs."""


def check_logger(name: str) -> None:
    """Refuse a logger that is unknown or not installed.

    Raises:
        InputError: the name, and what to choose or to install.
    """
    if name not in LOGGERS:
        raise InputError(f"logger: unknown {name!r}; choose from {', '.join(LOGGERS)}")
    if find_spec(LOGGERS[name]) is None:
        raise InputError(f"logger: {LOGGERS[name]} is not installed; pip install 'ssr-nas[{name}]'")
