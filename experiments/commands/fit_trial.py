"""What NNI starts for each search and each training of a fit with --web.

The fit itself submits these trials; their parameters say what is to be done, and in which folder.
"""

from dataclasses import dataclass
from typing import Any


@dataclass
class Options:
    """``ssr-nas fit-trial`` has no options: all comes from NNI's parameters."""


def run(options: Options) -> dict[str, Any]:
    """Search or train as the parameters say, report to NNI; return the score and the folder."""
    import os

    from experiments.fit.trial import run_trial
    from experiments.nni_manager.start import OWNER
    from experiments.nni_manager.tethered import end_with
    from experiments.nni_manager.trial import OUTPUT, Manager, output_folder, stopped_by_signal
    from nas_space.errors import InputError

    folder = output_folder()
    if folder is None:
        raise InputError(f"{OUTPUT}: is not set; NNI starts this command, for ssr-nas fit --web true")
    if OWNER in os.environ:  # a fit that is gone can take no result, and a resumed one wants the folder
        end_with(int(os.environ[OWNER]))
    with stopped_by_signal():
        return run_trial(Manager(folder), folder)
