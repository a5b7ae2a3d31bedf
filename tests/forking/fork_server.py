"""A process that has loaded the libraries, and forks every process that a test asks for: to load them takes long.

It runs as ``python fork_server.py ADDRESS``, and ends with its standard input. Only other people's libraries are loaded
here, and not NNI, which reads the environment meanwhile: a forked process loads the toolkit and NNI by itself, and runs
its command line as Python does. Figures stay blank, as in the tests.
"""

import gc
import importlib
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fork_messages import receive, send
from fork_popen import execute_child

LIBRARIES = (
    *("torch._dynamo", "torch.distributed", "torch.utils.tensorboard", "torchvision", "pytorch_lightning"),
    *("cv2", "jinja2", "matplotlib.backends.backend_agg", "matplotlib.figure", "onnx", "pandas", "requests"),
    *("safetensors.torch", "tensorboard.compat", "yaml"),
)
"""None of them starts a thread: a forked process would lack it."""
ONE_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
"""A PNG file."""
POLL = 0.02  # seconds
LONGEST = 60.0  # seconds until an orphan has a parent
Job = tuple[dict[str, Any], Sequence[int]]


def load() -> None:
    """Load the libraries."""
    for library in LIBRARIES:
        importlib.import_module(library)
    from matplotlib.figure import Figure

    Figure.savefig = lambda _, file, **__: file.write(ONE_PIXEL)  # type: ignore[assignment, method-assign, union-attr]
    threads = len(os.listdir("/proc/self/task"))
    assert threads == 1, f"a library has started {threads - 1} threads"
    gc.collect()
    gc.freeze()


def serve(address: str) -> Job:
    """Fork for every connection; return in the forked process, with what it has to do."""
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(f"{address}.new")
        listener.listen(100)
        os.rename(f"{address}.new", address)  # who finds it is answered
        load()
        selector.register(listener, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        relayed: dict[int, socket.socket] = {}
        while True:
            for key, _ in selector.select(POLL if relayed else None):
                if key.fileobj == 0:  # the test session has ended
                    for child in relayed:
                        os.kill(child, signal.SIGKILL)
                    sys.exit()
                elif key.fileobj is not listener:  # its relay was killed, or the child has ended just now
                    selector.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)
                else:
                    connection, _ = listener.accept()
                    job, streams = receive(connection)
                    child = os.fork()
                    if not child:
                        for other in relayed.values():
                            other.close()
                        if "parent" in job:
                            adopted(job["parent"])
                            send(connection, os.getpid())
                        connection.close()
                        return job, streams
                    for stream in streams:
                        os.close(stream)
                    if "parent" in job:
                        os.waitpid(child, 0)
                        connection.close()
                    else:
                        send(connection, child)
                        selector.register(connection, selectors.EVENT_READ, child)
                        relayed[child] = connection
            for child in list(relayed):
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    connection = relayed.pop(child)
                    with suppress(KeyError):
                        selector.unregister(connection)
                    with suppress(OSError):
                        send(connection, os.waitstatus_to_exitcode(status))
                    connection.close()


def adopted(parent: int) -> None:
    """Become a child of ``parent``, which takes the orphans below it for its own."""
    if os.fork():
        os._exit(0)
    deadline = time.monotonic() + LONGEST
    while os.getppid() != parent:
        if time.monotonic() > deadline:
            os._exit(1)
        time.sleep(0.001)


def with_spares(job: dict[str, Any], streams: Sequence[int]) -> Job:
    """Fork the processes that this one will start; they wait until it does, and end where it ends before.

    Returns:
        What this process has to do, or what it is told to do later that was forked.
    """
    if job["session"]:
        os.setsid()
    spares: list[tuple[int, socket.socket]] = []
    for _ in range(job.pop("spares", 0)):
        ours, theirs = socket.socketpair()
        child = os.fork()
        if not child:
            for other in (ours, *(other for _, other in spares)):
                other.close()
            for stream in streams:
                os.close(stream)
            told, streams = receive(theirs)
            if told is None:
                os._exit(0)
            theirs.close()
            if told["session"]:
                os.setsid()
            return told, streams
        theirs.close()
        spares.append((child, ours))
    if spares:

        def obtain(told: dict[str, Any], files: Sequence[int]) -> int | None:
            if not spares:
                return None
            child, connection = spares.pop(0)
            with connection:
                send(connection, told, files)
            return child

        subprocess.Popen._execute_child = execute_child(obtain)  # type: ignore[attr-defined]
    return job, streams


def run(job: dict[str, Any], streams: Sequence[int]) -> None:
    """Run a Python program as ``python`` does."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    tempfile.tempdir = None
    import torch

    threads = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(threads) if threads.isdigit() else len(os.sched_getaffinity(0)))
    kind, *rest = job["arguments"]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if kind == "-m":
        sys.path[:] = [os.getcwd(), *paths, *BASE]
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.path[:] = ["", *paths, *BASE]
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path[:] = [os.path.dirname(os.path.abspath(kind)), *paths, *BASE]
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    BASE = [path for path in sys.path[1:] if path not in given]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    run(*with_spares(*serve(sys.argv[1])))
