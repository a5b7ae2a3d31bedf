"""The tuner and the assessor of an experiment: NNI knows them by name, or a file of the user's own holds them."""

import importlib.util
import re
from pathlib import Path
from typing import Any

from experiments.nni_manager.value_range import nearest
from nas_space.errors import InputError

MUTATORS = ("PPO", "PPOTuner", "RegularizedEvolutionTuner")
"""NNI's tuners whose search spaces have types of their own."""


def check_algorithms(path: str, config: Any) -> None:
    """Make sure that NNI's dispatcher will find the tuner and the assessor: it says so only after its start.

    Args:
        path: the experiment's file, for messages.
        config: NNI's canonical ``ExperimentConfig``.

    Raises:
        InputError: there is no algorithm of that name, or no such class.
    """
    for key in ("tuner", "assessor", "advisor"):
        algorithm = getattr(config, key, None)
        if algorithm is None:
            continue
        if algorithm.class_name is None:
            _check_name(f"{path}: {key}.name", key, str(algorithm.name))
        else:
            _check_class(f"{path}: {key}.className", str(algorithm.class_name), Path(str(algorithm.code_directory)))


def has_common_space(config: Any) -> bool:
    """Whether the tuner is one of NNI's that draws from NNI's common types."""
    algorithm = config.tuner if config.tuner is not None else getattr(config, "advisor", None)
    name = None if algorithm is None or algorithm.class_name is not None else str(algorithm.name).lower()
    return name is not None and name not in [mutator.lower() for mutator in MUTATORS]


def _check_name(place: str, key: str, name: str) -> None:
    from nni.tools.package_utils import get_all_algo_meta

    kind = "assessor" if key == "assessor" else "tuner"
    algorithms = [algorithm for algorithm in get_all_algo_meta() if algorithm.algo_type == kind]
    if key == "advisor":
        algorithms = [algorithm for algorithm in algorithms if algorithm.is_advisor]
    for algorithm in algorithms:
        if name.lower() in (algorithm.name.lower(), (algorithm.alias or algorithm.name).lower()):
            return
    raise InputError(f"{place}: unknown {name!r}; {nearest(name, [algorithm.name for algorithm in algorithms])}")


def _check_class(place: str, name: str, folder: Path) -> None:
    """As NNI imports it: the module lies in the folder, or is installed. It is not run here."""
    module, _, word = name.rpartition(".")
    if not all(part.isidentifier() for part in name.split(".")) or not module:
        raise InputError(
            f"{place}: {name!r} names no module; write module.{name} for a class in {folder / 'module.py'}"
        )
    file = folder.joinpath(*module.split("."))
    sources = [source for source in (file.with_suffix(".py"), file / "__init__.py") if source.is_file()]
    if not sources:
        first = module.split(".")[0]
        if not (folder / first).is_dir() and importlib.util.find_spec(first) is None:
            raise InputError(f"{place}: {name}: there is no {file.with_suffix('.py')}; see codeDirectory")
        return
    text = sources[0].read_text(encoding="utf-8", errors="replace")
    if not re.search(rf"\b{re.escape(word)}\b|\bimport \*", text):
        classes = re.findall(r"^class (\w+)", text, re.MULTILINE)
        hint = nearest(word, classes) if classes else "it holds no class"
        raise InputError(f"{place}: {sources[0]} has no {word!r}; {hint}")
