"""Pack that measurement into one file for another device.

The device needs Python, NumPy and the engine.

On the device: ``python bundle.zip --out table.json`` measures, with progress. Back here:
``ssr-nas search --constraint.latency_ms 20 --constraint.table table.json`` searches for that device.
"""

import os
from dataclasses import dataclass
from typing import Any

from experiments.latency.options import TableOptions
from experiments.runs.files import named, new_file
from experiments.runs.progress import said


@dataclass(kw_only=True)
class Options(TableOptions):
    """Options of ``ssr-nas latency pack``.

    Args:
        out: the bundle, a new zip file.
        engine: what runs the networks on the device: onnxruntime or openvino.
        precision: fp32 or int8.
    """

    out: str
    engine: str = "onnxruntime"
    precision: str = "fp32"


def run(options: Options) -> dict[str, Any]:
    """Write the bundle; return its file and how many networks are in it."""
    from tqdm import tqdm

    from experiments.latency.pack import write_bundle
    from experiments.runs.lock import hidden_beside

    wanted = options.wanted(options.engine, options.precision, threads=1)
    with new_file(options.out) as out:
        assert out is not None
        temporary = hidden_beside(out, f".{os.urandom(16).hex()}.tmp")
        try:
            with named(out), tqdm(total=0, bar_format="{desc}", leave=False, disable=None) as bar:

                def shown(done: int, of: int) -> None:
                    bar.set_description_str(f"writing {done} of {of} networks")

                progress = said(f"writing {options.out}", print) if bar.disable else shown
                count = write_bundle(wanted, temporary, progress)
            os.replace(temporary, out)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    size = out.stat().st_size
    print(f"{out}  {count} networks, {size / 2**20:.1f} MiB; on the device, with NumPy and {options.engine} installed:")
    print(f"  python {out.name} --out table.json")
    return {"file": str(out), "networks": count, "bytes": size}
