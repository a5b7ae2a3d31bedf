"""Where we replace parts of Lightning: a search on several devices, and messages that tell nothing new.

Made for pytorch-lightning 2.6.6: the only file that uses private names of Lightning. A search on several devices has a
process for each, and none of them outlives the others. The model is not wrapped: ``SearchModule`` averages gradients.
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment, find_free_network_port
from lightning_fabric.strategies.launchers.subprocess_script import _basic_subprocess_cmd
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import distributed

from experiments.runs.processes import CHECKPOINT, LEADER, POLL, RUN, module_command, rank
from nas_space.errors import InputError

GRACE = 5.0
"""Seconds in which a process notices by itself that another one has ended."""
PATIENCE = timedelta(days=1)
"""How long a process waits for another: a validation may take long, and the end of a process is noticed without it."""
EXPECTED_WARNINGS = (
    "The dirpath has changed from",
    "Checkpoint directory .* exists and is not empty",
    "The number of training batches .* is smaller than the logging interval",
    ".*treespec, LeafSpec.* is deprecated",
)


def silence_lightning() -> None:
    """Leave out what Lightning says about what we do on purpose."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


class DeviceError(RuntimeError):
    """The process of another device has ended."""


class LocalEnvironment(LightningEnvironment):
    """The processes of one search on this machine, whatever launcher has left its variables in the environment."""

    @property
    def creates_processes_externally(self) -> bool:
        return RUN in os.environ  # to a follower the others exist already

    @property
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        if self._main_port == -1:  # a follower takes the first process's choice
            self._main_port = int(os.environ["MASTER_PORT"]) if RUN in os.environ else find_free_network_port()
        return self._main_port

    def local_rank(self) -> int:
        return rank()

    def node_rank(self) -> int:
        return 0


class DataParallel(DDPStrategy):
    """Data parallelism without a wrapper around the model.

    Args:
        run: the run's folder.
        checkpoint: the one that the search goes on from, or None.
    """

    def __init__(self, run: Path, checkpoint: Path | None) -> None:
        super().__init__(cluster_environment=LocalEnvironment(), timeout=PATIENCE)
        begin = str(checkpoint.resolve()) if checkpoint else ""
        self._variables = {RUN: str(run.resolve()), CHECKPOINT: begin, LEADER: str(os.getpid())}

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = Launcher(self.cluster_environment, self.num_processes, self._variables)

    def configure_ddp(self) -> None: ...

    def on_train_start(self) -> None:
        # Lightning's own handler would talk to the other processes in the middle of another conversation.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminate if rank() == 0 else signal.SIG_IGN)


class Launcher(_SubprocessScriptLauncher):
    """Starts the command's own line once more for every further device, and ends with them.

    Args:
        environment: of the cluster.
        devices: how many processes there are.
        variables: what makes a process a follower.
    """

    def __init__(self, environment: Any, devices: int, variables: dict[str, str]) -> None:
        super().__init__(environment, devices, 1)
        self._variables = variables
        self._folder = ""
        self._over = threading.Event()

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any) -> Any:
        """Run ``function`` here, beside the followers.

        Raises:
            InputError: what a follower found wrong with the input.
            DeviceError: a follower has failed or was killed.
        """
        threads = torch.get_num_threads()
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, threads // self.num_processes))
        if rank() > 0:
            return function(*args, **kwargs)
        with tempfile.TemporaryDirectory(prefix="ssr-nas-") as self._folder:
            try:
                self._call_children_scripts()
                threading.Thread(target=self._watch, daemon=True).start()
                result = function(*args, **kwargs)
                distributed.destroy_process_group()
                self._wait(lambda: all(process.poll() is not None for process in self.procs))
                return result
            except (InputError, KeyboardInterrupt, SystemExit):
                raise
            except Exception as error:  # of a connection that broke, perhaps
                if self._wait(lambda: any(process.poll() for process in self.procs)):
                    raise self._failure() from error
                raise
            finally:
                self._over.set()
                for process in self.procs:
                    process.kill()
                    process.wait()
                torch.set_num_threads(threads)

    def _call_children_scripts(self) -> None:
        # A follower is no trial.
        variables = {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}
        variables |= {"MASTER_PORT": str(self.cluster_environment.main_port), "TMPDIR": self._folder, **self._variables}
        for number in range(1, self.num_processes):
            variables["LOCAL_RANK"] = str(number)
            with self._log(number).open("wb") as log:
                process = subprocess.Popen(command_line(), env=variables, stdout=subprocess.DEVNULL, stderr=log)
            self.procs.append(process)

    def _log(self, number: int) -> Path:
        return Path(self._folder) / f"{number}.log"

    def _wait(self, reached: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + GRACE
        while not reached() and time.monotonic() < deadline:
            time.sleep(0.05)
        return reached()

    def _watch(self) -> None:
        """End this process after a failure that its main thread does not notice, as where it waits for a GPU."""
        while not self._over.wait(POLL):
            if any(process.poll() for process in self.procs) and not self._over.wait(2 * GRACE):
                failure = self._failure()
                print(f"ssr-nas: error: {failure}", file=sys.stderr, flush=True)
                for process in self.procs:
                    process.kill()
                shutil.rmtree(self._folder, ignore_errors=True)
                os._exit(2 if isinstance(failure, InputError) else 1)

    def _failure(self) -> Exception:
        failed = [(process.returncode, number) for number, process in enumerate(self.procs, 1) if process.returncode]
        # One that was killed, or had wrong input, began; the others followed.
        code, number = min(failed, key=lambda pair: (pair[0] > 0, pair[0] != 2))
        if code < 0:
            return DeviceError(f"the process of device {number} was killed ({signal.Signals(-code).name})")
        lines = self._log(number).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"exit code {code}"
        message = last.split(": error: ", 1)[-1].split(" (set SSR_NAS_DEBUG")[0]
        return InputError(message) if code == 2 else DeviceError(f"the process of device {number} failed: {message}")


def command_line() -> Sequence[str]:
    """The command line of this process; of a module of this toolkit one that no folder of the user's hides."""
    spec = sys.modules["__main__"].__spec__
    if spec is not None and spec.name.startswith("experiments."):
        return module_command(spec.name, *sys.argv[1:])
    return _basic_subprocess_cmd()


def _terminate(signum: int, frame: Any) -> NoReturn:
    raise SIGTERMException
