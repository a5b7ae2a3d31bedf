"""A tuner for experiments whose trials somebody else submits: it gives none."""

from typing import Any

from nni.tuner import Tuner


class IdleTuner(Tuner):
    """Gives no parameters; our dispatcher (``nni_internals.py``) does not even ask it for some."""

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> Any:
        raise NotImplementedError("the trials of this experiment are submitted from outside")

    def receive_trial_result(self, parameter_id: int, parameters: Any, value: Any, **kwargs: Any) -> None:
        """Nothing is learnt from a result."""

    def update_search_space(self, search_space: Any) -> None:
        """Nothing is drawn from a search space."""
