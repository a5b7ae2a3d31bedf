"""The further processes of a search on several devices: each runs the command's own line again, and joins the search.

The first process names its run folder in the environment. A follower reads the options from there, computes its part of
every batch and leaves all else to the first: no folder, no file, no output but its own error. It ends with the first.
"""

import os
import signal
import threading
import time
from pathlib import Path

from experiments.runs.processes import CHECKPOINT, LEADER, POLL, RUN, rank


def join_search() -> None:
    """Join the search that the environment names, to its end.

    Raises:
        InputError: as the command itself.
    """
    threading.Thread(target=_leave_with_leader, args=(int(os.environ[LEADER]),), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches all; the first process ends the others
    import torch

    from experiments.options.arguments import parse
    from experiments.runs.folder import CONFIG
    from experiments.runs.threads import computing
    from experiments.search.options import SearchRunOptions
    from experiments.search.prepare import prepare_search

    run, checkpoint = Path(os.environ[RUN]), os.environ[CHECKPOINT]
    options, _ = parse("ssr-nas search", "", SearchRunOptions, [f"--config={run / CONFIG}"])
    if options.resolved_device == "cuda":
        torch.cuda.set_device(rank())
    with computing(options.threads, measured=False):
        prepare_search(options, run).create(run).execute(Path(checkpoint) if checkpoint else None)


def _leave_with_leader(leader: int) -> None:
    while os.getppid() == leader:
        time.sleep(POLL)
    os._exit(1)  # the main thread may be waiting for the others for ever
