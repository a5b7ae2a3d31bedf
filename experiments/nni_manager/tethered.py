"""NNI's tuner process as our launcher runs it: it ends with its manager.

NNI's own outlives a killed manager. It then takes the tuner's place at the manager that resumes the experiment.
"""

import os
import threading
import time

import psutil

from experiments.nni_manager.nni_internals import run_tuner

MANAGER = "SSR_NAS_MANAGER"  # set by loopback.cjs: the manager's process id


def end_with(process: int) -> None:
    """End this process soon after another one, given by its id, has ended, also where nobody waits for that one."""

    def watch() -> None:
        while _is_alive(process):
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _is_alive(process: int) -> bool:
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    end_with(int(os.environ[MANAGER]))
    run_tuner()
