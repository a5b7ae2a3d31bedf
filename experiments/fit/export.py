"""The files of a trained network for its engine, proven, and how long one image takes in them."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from experiments.data import load
from experiments.export.describe import describe_model
from experiments.export.export import Quantisation, export, real_images
from experiments.export.formats import Format
from experiments.export.settings import ExportError
from experiments.export.timed_file import FILE_ENGINES
from experiments.fit.timing import time_again
from experiments.latency.closing import describe_run, time_files, writer
from experiments.model_file import load_model
from experiments.prediction.trained_on import as_trained, completed
from nas_space.architecture import baseline1

MODEL, INT8 = "model", "model.int8"
"""Names of the files, without the suffix of their format."""


def export_and_time(
    run: Path, folder: Path, engine: str, threads: int, most_lost: float, bound: float
) -> dict[str, Any]:
    """Write both files, prove them as ``ssr-nas export`` does, and measure them as a user runs them.

    Args:
        run: folder of the trained network.
        folder: of the files, empty.
        engine: what runs them.
        threads: of the engine.
        most_lost: mIoU that the int8 file may lose.
        bound: milliseconds that the fp32 file may take; where it takes more, all is measured again.

    Returns:
        ``ms``, ``ms_int8``, ``baseline_ms``, ``clock`` and ``warning`` of the measurement; ``file`` and ``int8``, with
        mIoU before and after, or why there is none.

    Raises:
        ExportError: the fp32 file does not give the network's answer.
    """
    network, info = load_model(run)
    assert info.architecture is not None
    file_format = FILE_ENGINES[engine]
    data = load(completed(str(run), info, as_trained()), remarks=False)
    file, int8 = (folder / f"{stem}{file_format.suffixes[0]}" for stem in (MODEL, INT8))
    described = describe_model(info, file_format.name, size=info.size)
    exported = export(network, described, file_format.name, file, real_images(described, data))
    result: dict[str, Any] = {"file": file.name, "max_logit_difference": exported.agreement.max_logit_difference}
    files = [file]
    try:
        quantised = replace(described, precision="int8")
        proof = Quantisation.on(data, most_lost)
        made = export(network, quantised, file_format.name, int8, real_images(quantised, data), proof)
        result["int8"] = {"file": int8.name, "miou_before": made.miou_before, "miou": made.miou}
        files.append(int8)
    except ExportError as error:
        print(f"note: no int8 file: {error}", flush=True)
        result["int8"] = {"file": None, "note": str(error)}
    reference = writer(baseline1(info.architecture.space), engine, info.size, len(info.classes), info.head)
    copies = [partial(_copy, file_format, one) for one in files]
    (baseline_ms, *times), warned = time_again(
        lambda: time_files([reference, *copies], engine, info.size, threads), lambda times: times[1] <= bound
    )
    result |= {"ms": times[0], "ms_int8": times[1] if len(times) > 1 else None, "baseline_ms": baseline_ms}
    return result | {"clock": describe_run(engine, info.size, threads, str(info.head)), "warning": warned}


def _copy(file_format: Format, file: Path, folder: Path) -> Path:
    for one in file_format.files(file):
        shutil.copyfile(one, folder / one.name)
    return folder / file.name
