"""Signals outside of a command: while the program is loaded, and when its command has ended.

There is nothing to clean up then. So a signal ends the process at once: no imported code can swallow it, as it can an
exception. While a command runs, ``termination_handled`` listens.
"""

import os
import signal

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 130}


def listen() -> None:
    """End this process in one line at SIGINT, SIGTERM and SIGHUP, except at those that the caller ignores."""
    if "SSR_NAS_RUN" in os.environ:  # a further process of a search, which the first one ends
        return

    def end(signum: int, frame: object) -> None:
        name = signal.Signals(signum).name
        if os.getpid() == owner:
            word = "terminated" if name == "SIGTERM" else "interrupted"
            hint = "give the command again if it has shown no result"
            try:
                os.write(2, f"ssr-nas: {word}; {hint}\n".encode())
            except OSError:  # the terminal may be closed
                pass
        os._exit(CODES[name])

    owner = os.getpid()
    for name in CODES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)
