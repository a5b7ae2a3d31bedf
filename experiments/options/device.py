"""Which device and which precision: from what a user may say to what torch and Lightning call it."""

from nas_space.errors import InputError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}


def resolve_device(name: str) -> str:
    """``auto``, ``cpu`` or ``cuda`` -> ``cpu`` or ``cuda``.

    Raises:
        InputError: an unknown name, or no GPU where one is asked for.
    """
    import torch  # not to be loaded by whoever only reads options

    if name not in DEVICES:
        raise InputError(f"device: unknown {name!r}; choose from {', '.join(DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device: cuda is not available on this machine; use --device cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def resolve_precision(name: str) -> str:
    """``32`` or ``bf16`` -> Lightning's name.

    Raises:
        InputError: an unknown name (fp16 is none: it is unsafe under manual optimisation).
    """
    if name not in PRECISIONS:
        raise InputError(f"precision: unknown {name!r}; choose from {', '.join(PRECISIONS)}")
    return PRECISIONS[name]
