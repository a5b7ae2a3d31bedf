"""NNI's tuner process as our launcher runs it: it ends with its manager.

NNI's own outlives a killed manager. It then takes the tuner's place at the manager that resumes the experiment.
"""

import os
import threading
import time

from experiments.nni_manager.nni_internals import run_tuner

MANAGER = "SSR_NAS_MANAGER"  # set by loopback.cjs: the manager's process id


def end_with(manager: int) -> None:
    """End this process soon after the process ``manager`` has ended."""

    def watch() -> None:
        while True:
            try:
                os.kill(manager, 0)
            except ProcessLookupError:
                os._exit(0)
            time.sleep(0.5)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with(int(os.environ[MANAGER]))
    run_tuner()
