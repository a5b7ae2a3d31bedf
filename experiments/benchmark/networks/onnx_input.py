"""What an ONNX file takes: refused, before anything is measured, where it is no network for one image."""

from pathlib import Path
from typing import Any

from experiments.runtime.engines import check_installed
from nas_space.errors import InputError


def check_onnx(path: Path, size: tuple[int, int]) -> None:
    """Refuse a file that does not take one normalised RGB image of ``size``: float32 ``(1, 3, H, W)``.

    Raises:
        InputError: not an ONNX file, several inputs, another type or shape.
    """
    graph = read_onnx(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise InputError(f"{path}: has {len(inputs)} inputs ({names}); one is needed, the image")
    kind = inputs[0].type.tensor_type
    sides = [side.dim_value or side.dim_param or "?" for side in kind.shape.dim]
    shape, needed = "x".join(map(str, sides)), f"1x3x{size[0]}x{size[1]}"
    if kind.elem_type != 1:  # FLOAT
        raise InputError(f"{path}: its input is not float32; export it with a float32 input of {needed}")
    if len(sides) != 4 or sides[1] != 3:
        raise InputError(f"{path}: takes {shape or 'no shape'}; an image of {needed} (channels first, RGB) is needed")
    if isinstance(sides[0], int) and sides[0] != 1:
        raise InputError(f"{path}: takes {shape}, a batch of {sides[0]}; export it for one image")
    if any(isinstance(side, int) and side != need for side, need in zip(sides, (1, 3, *size), strict=True)):
        fix = f"give --size {sides[2]}x{sides[3]}, or export it for {size[0]}x{size[1]}"
        raise InputError(f"{path}: takes {shape} only; {fix}")


def read_onnx(path: Path, weights: bool = False) -> Any:
    """The ``onnx.ModelProto`` in a file, with its external weights only if asked for.

    Raises:
        InputError: it cannot be read.
    """
    check_installed(("onnx",))
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise InputError(f"{path}: not an ONNX file, or damaged ({type(error).__name__})") from None
    if not model.graph.node:
        raise InputError(f"{path}: not an ONNX file, or damaged (no operator in it)")
    if weights:
        try:
            onnx.load_external_data_for_model(model, str(path.parent))
        except (onnx.checker.ValidationError, OSError, ValueError) as error:
            fix = f"put it beside this one ({error})"
            raise InputError(f"{path}: its weights lie in another file, which cannot be read; {fix}") from None
    return model
