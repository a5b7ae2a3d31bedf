"""Standard output that no command fails by where its reader has gone, or cannot show a name."""

import io
import os
import sys


def survive_closed_output() -> None:
    """Let a command run to its end when its output is piped into ``head``, or holds what cannot be encoded."""
    original = sys.__stdout__
    if original is None:
        sys.stdout = open(os.devnull, "w")
    elif sys.stdout is original:
        raw = _Output(1, "w", closefd=False)
        # The path of a file may be in no encoding: it is printed as on standard error, and is no reason to fail.
        errors = "backslashreplace" if original.errors == "strict" else original.errors
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), original.encoding, errors, line_buffering=True)


class _Output(io.FileIO):
    """Standard output that raises at most one error, and none if its reader has closed the pipe."""

    failed = False

    def write(self, data) -> int:  # type: ignore[no-untyped-def]  # a buffer of any kind
        if not self.failed:
            try:
                return super().write(data)
            except OSError as error:
                self.failed = True
                if not isinstance(error, BrokenPipeError):
                    raise
        return len(data)
