"""NNI's tuner process as our launcher runs it: it ends with its manager, tells it of its failures, and knows which trials were interrupted.

NNI's own outlives a manager that is killed, connects to the one that resumes the experiment, and takes the place of its
tuner. A tuner or assessor that raises says goodbye as one that has ended well, and the experiment waits for ever. And
NNI's grid search, resumed, gives the parameters of an interrupted trial once more, to a further trial.
"""

import json
import os
import threading
import time
from typing import Any

import nni.__main__ as nni_main
from nni.algorithms.hpo.gridsearch_tuner import GridSearchTuner
from nni.runtime.msg_dispatcher import MsgDispatcher

MANAGER = "SSR_NAS_MANAGER"
"""Set by the preload: the manager's process id."""
POLL = 0.5


class Dispatcher(MsgDispatcher):
    """NNI's dispatcher, which tells a grid of the trials that are resumed, and the manager of a tuner's or assessor's failure."""

    def process_command(self, command: Any, data: Any) -> None:
        try:
            super().process_command(command, data)
        except Exception as error:
            self.report_error(f"{type(error).__name__}: {error}")
            raise

    def handle_add_customized_trial(self, data: Any) -> None:
        super().handle_add_customized_trial(data)
        if isinstance(self.tuner, GridSearchTuner):
            resumed = [json.loads(item) if isinstance(item, str) else item for item in data]
            self.tuner.import_data(
                [{"parameter": item["parameters"]} for item in resumed if isinstance(item.get("parameters"), dict)]
            )


def end_with(manager: int) -> None:
    """End this process soon after the process ``manager`` has ended."""

    def watch() -> None:
        while True:
            try:
                os.kill(manager, 0)
            except ProcessLookupError:
                os._exit(0)
            time.sleep(POLL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with(int(os.environ[MANAGER]))
    nni_main.MsgDispatcher = Dispatcher
    nni_main.main()
