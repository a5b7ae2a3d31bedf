"""An experiment's YAML file, checked as far as it can be before anything is started."""

import logging
import re
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from experiments.nni_manager.algorithms import check_algorithms, has_common_space
from experiments.nni_manager.value_range import check_range
from experiments.options.yaml_text import load_yaml
from nas_space.errors import InputError
from nas_space.text_file import read_text

PLATFORMS = ("local", "remote", "openpai", "aml", "dlc", "kubeflow", "frameworkcontroller", "adl")


def read_experiment(path: str | Path) -> Any:
    """NNI's ``ExperimentConfig`` of an experiment's file, checked.

    Args:
        path: the file that ``nnictl create --config`` takes.

    Raises:
        InputError: it cannot be read, NNI's validator refuses it, NNI has no such tuner or assessor, no trial knows a
            key of its search space, or nothing can be drawn from it.
    """
    file = Path(path)
    try:
        content = load_yaml(read_text(file))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give an experiment's YAML file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML ({error})") from None
    if not isinstance(content, Mapping) or "trialCommand" not in content and "trainingService" not in content:
        keys = "trialCommand, searchSpaceFile, tuner, trainingService"
        raise InputError(f"{path}: not an experiment of NNI; expected keys such as {keys}")
    service = content.get("trainingService")
    if isinstance(service, Mapping) and (platform := service.get("platform")) not in PLATFORMS:
        raise InputError(f"{path}: trainingService.platform: unknown {platform!r}; choose from {', '.join(PLATFORMS)}")
    from nni.experiment.config import ExperimentConfig, utils

    logging.getLogger("nni.experiment.config").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = ExperimentConfig.load(file)
            config.validate()
            canonical = config.canonical_copy()
    except Exception as error:  # NNI raises a dozen kinds, AssertionError and KeyError among them
        raise InputError(f"{path}: {_reason(error)}") from None
    finally:
        utils.unset_base_path()  # NNI forgets it after an error, and refuses the next file
    if (kind := canonical.experiment_type) != "hpo":
        raise InputError(f"{path}: experimentType {kind}: only hpo, whose trials run `ssr-nas trial`")
    check_algorithms(str(path), canonical)
    if any(re.search(r"\bssr-nas\s+trial\b", text) for text in (str(canonical.trial_command), str(content))):
        check_search_space(str(path), canonical.search_space)
    elif has_common_space(canonical) and isinstance(canonical.search_space, Mapping):
        for key, entry in canonical.search_space.items():
            if isinstance(entry, Mapping):
                check_range(f"{path}: search space: {key}", entry)
    return config


def check_search_space(path: str, space: Any) -> None:
    """Make sure that ``ssr-nas trial`` knows every key of a search space, and that NNI can draw its values.

    Raises:
        InputError: a key that is no option, unless it only names a choice between groups of options; or a type that
            NNI does not know, or arguments that it does not take.
    """
    from experiments.options.arguments import explain_unknown
    from experiments.options.leaves import as_text, leaves
    from experiments.search.options import SearchOptions

    known = {leaf.key: leaf.default for leaf in leaves(SearchOptions)}

    def check(part: Mapping[str, Any]) -> None:
        for key, entry in part.items():
            if key == "_name":
                continue
            values = entry.get("_value") if isinstance(entry, Mapping) and isinstance(entry.get("_type"), str) else None
            groups = [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []
            if key not in known and not groups:
                raise InputError(f"{path}: search space: {key}: {explain_unknown(str(key), list(known))}")
            if not isinstance(values, list) or not values:
                text, example = " ".join(str(entry).split())[:80], as_text(known.get(key, 0))
                raise InputError(
                    f"{path}: search space: {key}: expected {{_type: choice, _value: [{example}]}}, got {text}"
                )
            check_range(f"{path}: search space: {key}", entry)
            for group in groups:
                check(group)

    if not isinstance(space, Mapping) or not space:
        raise InputError(f"{path}: its search space is empty; give at least one key, such as seed")
    check(space)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if text or not isinstance(error, AssertionError):
        return text or type(error).__name__
    # NNI asserts without a message: the asserted line is all that it says.
    line = traceback.extract_tb(error.__traceback__)[-1].line or ""
    return f"must hold: {line.removeprefix('assert ').replace('self.', '')}"


def machines(config: Any) -> list[Any]:
    """The machines of a remote training service; none for others."""
    return list(getattr(config.canonical_copy().training_service, "machine_list", []))
