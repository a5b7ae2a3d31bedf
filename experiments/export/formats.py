"""The formats that a network is exported to, in one table. No torch: a writer loads what it needs when it is called.

A new format is a file with its writer and its reader, and one entry of the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.export import litert_file, ncnn_file, onnx_file, openvino_file, tensorrt_file, torchscript_file
from experiments.export.settings import CalibrationImages, ExportSettings, FileRunner
from experiments.runtime.engines import EXTRAS, PACKAGES, check_installed

if TYPE_CHECKING:
    from torch import nn

    from nas_space.lowering import Lowering


@dataclass(frozen=True)
class Format:
    """A format of exported files.

    Args:
        name: what ``--format`` calls it.
        suffixes: endings of the file's name; the first one is used where nobody names the file.
        packages: what writing and running a file need.
        write: writes a network into a file.
        open: opens a file to run it.
        fastest: the form of partial residuals that its engine runs fastest (``experiments/results/lowering.md``).
        engine: the engine of ``ssr-nas benchmark`` that runs such a file; None where there is none.
        check: refuses the format where something is missing that is no Python package.
        beside: endings of the files that are written beside the named one.
        quantise: turns a float32 file into an 8-bit one, in its place; None where the format has no 8-bit files.
        any_size: whether every file takes images of any size, asked for or not.
        lacks: options of ``ssr-nas export`` that its files cannot have, and why: what "FORMAT files" do instead.
        timed: whether the time of its files can be measured.
        tables: whether latency tables are measured with its engine.
        note: what the commands' help says of it.
    """

    name: str
    suffixes: tuple[str, ...]
    packages: tuple[str, ...]
    write: "Callable[[nn.Module, Path, ExportSettings], None]"
    open: Callable[[Path, ExportSettings], FileRunner]
    fastest: "Lowering" = "zeros"
    engine: str | None = None
    check: Callable[[], object] = lambda: None
    beside: tuple[str, ...] = ()
    quantise: Callable[[Path, CalibrationImages, ExportSettings], None] | None = None
    any_size: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)
    timed: bool = True
    tables: bool = False
    note: str = ""

    def check_installed(self) -> None:
        """Refuse the format where what it needs is not installed.

        Raises:
            InputError: what is missing, and how to get it.
        """
        self.check()
        check_installed(self.packages)

    def files(self, out: Path) -> list[Path]:
        """What the format writes for ``out``; ``out`` itself is the first."""
        return [out, *(out.with_suffix(suffix) for suffix in self.beside)]


_TABLE = (
    Format(
        name="onnx",
        suffixes=(".onnx",),
        packages=PACKAGES["onnxruntime"],
        write=onnx_file.write,
        open=onnx_file.open_file,
        engine="onnxruntime",
        tables=True,
        quantise=onnx_file.quantise,
    ),
    Format(
        name="openvino",
        suffixes=(".xml",),
        packages=PACKAGES["openvino"],
        write=openvino_file.write,
        open=openvino_file.open_file,
        engine="openvino",
        tables=True,
        beside=(".bin",),
        quantise=openvino_file.quantise,
        note="FILE.xml and FILE.bin",
    ),
    Format(
        name="torchscript",
        suffixes=(".pt", ".ts"),
        packages=PACKAGES["torch"],
        write=torchscript_file.write,
        open=torchscript_file.open_file,
        fastest="concat",
        any_size=True,
    ),
    Format(
        name="tensorrt",
        suffixes=(".engine", ".plan"),
        packages=("onnx",),
        write=tensorrt_file.write,
        open=tensorrt_file.open_file,
        check=tensorrt_file.find_trtexec,
        lacks={"argmax": "with classes alone cannot be compared with the network"},
        timed=False,
        note="by trtexec; experimental, never run on a GPU here",
    ),
    Format(
        name="ncnn",
        suffixes=(".param",),
        packages=PACKAGES["ncnn"],
        write=ncnn_file.write,
        open=ncnn_file.open_file,
        engine="ncnn",
        beside=(".bin",),
        lacks=ncnn_file.LACKS,
        note="FILE.param and FILE.bin",
    ),
    Format(
        name="litert",
        suffixes=(".tflite",),
        packages=PACKAGES["litert"],
        write=litert_file.write,
        open=litert_file.open_file,
        engine="litert",
        check=litert_file.find_converter,
        lacks=litert_file.LACKS,
    ),
)
FORMATS = {format.name: format for format in _TABLE}
TIMED = [name for name, format in FORMATS.items() if format.timed]
USUAL = [name for name in TIMED if not set(FORMATS[name].packages) & set(EXTRAS)]  # need no extra of their own
TABLE_ENGINES = [kind.engine for kind in _TABLE if kind.tables and kind.engine is not None]
EIGHT_BITS = [name for name, format in FORMATS.items() if format.quantise is not None]


def describe_formats() -> str:
    """The formats and what there is to know of each, in one line."""
    return ", ".join(name + (f" ({format.note})" if format.note else "") for name, format in FORMATS.items())
