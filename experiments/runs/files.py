"""Files that appear whole or not at all, and plain values for them."""

import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.runs.lock import held, hidden_beside
from nas_space.errors import InputError


def write_atomic(path: str | Path, content: str | bytes, new: bool = False) -> None:
    """Write a file by a temporary one beside it and a rename, so that it is the old one or the new one at any time.

    Args:
        path: the file; its folder must exist.
        content: bytes, or text to be written as UTF-8.
        new: keep a file that another process has put there while this one worked.

    Raises:
        FileExistsError: there is such a file.
    """
    path = Path(path)
    temporary = hidden_beside(path, f".{os.urandom(16).hex()}.tmp")
    try:
        with named(path), open(temporary, "xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        (_place_new if new else os.replace)(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def named(path: str | Path) -> Iterator[None]:
    """An error of the system inside that names no file, as of a full disk while a file is written, names this one."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:  # a library may raise its own error from the system's
            if isinstance(cause, OSError) and cause.errno is not None and cause.filename is None:
                cause.filename = str(path)
            cause = cause.__cause__ or cause.__context__
        raise


def _place_new(temporary: Path, path: Path) -> None:
    """Rename, unless there is such a file: of several processes at the same moment one succeeds."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
    except OSError:  # a file system without hard links: an empty file holds the name until the rename
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            os.replace(temporary, path)
        except BaseException:
            path.unlink()
            raise
    else:
        temporary.unlink()


def check_new_file(out: str | None) -> Path | None:
    """Check, before the work for it, that a new file can be written; its folder is made.

    Args:
        out: the file that the user asked for; None if none is wanted.

    Raises:
        InputError: it exists, its folder cannot be made, or no file can be made there.
    """
    if out is None:
        return None
    path = Path(out)
    if path.exists() or path.is_symlink():
        raise InputError(f"--out {out}: exists already; choose another --out")
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    if not os.access(folder, os.W_OK):
        raise InputError(f"--out {out}: no file can be made in {folder}; make it writable, or choose another --out")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: its folder cannot be made ({error.strerror}); choose another --out") from None
    return path


@contextmanager
def new_file(out: str | None) -> Iterator[Path | None]:
    """The new file of a command, held by this process: whoever wants the same one is told before the work, not after.

    Args:
        out: the file that the user asked for; None if none is wanted.

    Raises:
        InputError: as of ``check_new_file``, or another process is making this file.
    """
    path = check_new_file(out)
    if path is None:
        yield None
        return
    with held(path, f"--out {out}"):
        check_new_file(out)  # whoever held it may have written it
        yield path


def plain(value: Any) -> Any:
    """``value`` in the types that JSON and YAML share: a number that is not finite becomes None, a set a list."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a NumPy scalar
        return plain(value.item())
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def write_json(path: str | Path, data: Mapping[str, Any], new: bool = False) -> None:
    """Write ``data`` as indented JSON, as ``write_atomic`` does."""
    write_atomic(path, json.dumps(plain(data), indent=1, allow_nan=False) + "\n", new)
