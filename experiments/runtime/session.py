"""Files of ``ssr-nas export``, opened with the engine that runs them: arrays in, arrays out. No torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.runtime.description import Description
from experiments.runtime.engines import (
    ONNX_ENGINES,
    PACKAGES,
    SUFFIXES,
    OpenedModel,
    Runner,
    check_installed,
    open_litert,
    open_ncnn,
    open_onnxruntime,
    open_openvino,
)
from nas_space.errors import InputError

OPENERS: dict[str, Callable[..., OpenedModel]] = {
    "onnxruntime": open_onnxruntime,
    "openvino": open_openvino,
    "ncnn": open_ncnn,
    "litert": open_litert,
}
ENGINES = {
    ".xml": "openvino",
    ".param": "ncnn",
    ".tflite": "litert",
}  # of files that no engine is named for, by their ending
WITH_WEIGHTS = (".xml", ".param")  # endings of files whose weights lie beside them


@dataclass(frozen=True)
class Session:
    """An exported network, ready to run.

    Args:
        engine: what runs it.
        description: what the file says of itself.
        run: input as the description's interface says -> output, as of ``OpenedModel``.
    """

    engine: str
    description: Description
    run: Runner


def open_session(file: str | Path, engine: str | None = None, threads: int | None = None) -> Session:
    """Open an exported file.

    Args:
        file: ``.onnx`` or ``.tflite``; or the ``.xml`` of an OpenVINO model or the ``.param`` of an NCNN model, whose
            ``.bin`` lies beside it.
        engine: one of ``OPENERS``; absent, ONNX Runtime for ``.onnx``.
        threads: threads of one inference; absent, all cores.

    Raises:
        InputError: the file is missing, damaged, or not of this toolkit; or its engine is unknown or not installed.
    """
    path = Path(file)
    suffix = path.suffix.lower()
    engine = engine or ENGINES.get(suffix, "onnxruntime")
    if engine not in OPENERS:
        raise InputError(f"engine: unknown {engine!r}; choose from {', '.join(OPENERS)}")
    if threads is not None and threads < 1:
        raise InputError(f"threads: {threads} must be at least 1")
    if suffix not in SUFFIXES[engine]:
        wanted = f"{'an' if engine in ONNX_ENGINES else 'a'} {' or '.join(SUFFIXES[engine])} file"
        raise InputError(f"{path}: {engine} takes {wanted}, written by ssr-nas export")
    if not path.is_file():
        raise InputError(f"{path}: no such file; write it with ssr-nas export")
    if suffix in WITH_WEIGHTS and not path.with_suffix(".bin").is_file():
        weights = path.with_suffix(".bin").name
        raise InputError(f"{path}: its weights {weights} are missing; keep both files side by side")
    check_installed(PACKAGES[engine][-1:])
    try:
        model = OPENERS[engine](path, threads)
    except Exception as error:  # each engine has its own kinds of errors, not all of them named
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: {engine} cannot open it, it may be damaged ({reason}); export it again") from None
    return Session(engine, Description.from_metadata(path, model.metadata), model.run)
