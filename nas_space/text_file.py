"""Text files that a user names: read whole, unless they have no end."""

import errno
from pathlib import Path

LARGEST = 2**25
"""Bytes of the largest file that is read as text: 32 MiB. A device such as ``/dev/zero`` never ends."""


def read_text(path: str | Path) -> str:
    """The content of a UTF-8 file.

    Raises:
        OSError: it cannot be read, or is larger than ``LARGEST``.
        UnicodeDecodeError: it is no text.
    """
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"larger than {LARGEST >> 20} MiB", str(path))
    return content.decode("utf-8")


def reason(error: OSError | UnicodeDecodeError) -> str:
    """Why a file could not be read, in a few words."""
    return (error.strerror if isinstance(error, OSError) else None) or "no UTF-8 text"
