"""One decision after the other: the regularizer acts on one layer's operators at a time, on depth and width at the end.

While all layers decide at once, the mixture of the others supplies every receptive field, so that each takes the
operator that is best beside all of them: nobody has to be dilated. Here one layer decides. The logits of the others
then begin anew, and gather evidence beside what is decided.
"""

from typing import Any

import torch
from torch import Tensor

from strategies.alive import Alive, Ratios
from strategies.method import LAST, MethodOptions
from strategies.shrinking import LevelThreshold

EVIDENCE = 0.5  # of the time between two decisions, in which no layer is pressed


class Staggered(LevelThreshold):
    """The level threshold, on the choices that the regularizer presses.

    Between ``warmup + explore`` and ``1 - LAST`` of the search, the layers come in turn, at equal intervals. The next
    one is the most certain: the margin between the log-probabilities of its best two operators is the largest. It
    stays pressed until it is decided. In the last part everything that is left is pressed.

    Args:
        method: its ``h``, ``warmup`` and ``explore``.
    """

    def __init__(self, method: MethodOptions) -> None:
        super().__init__(method.h)
        self._begin = method.warmup + method.explore
        self._pressed: Tensor | None = None  # (layers,)
        self._all = False
        self._before: tuple[Tensor | None, bool] = (None, False)  # what was pressed until the last ``keep``

    def start(self, full: Alive) -> None:
        self._pressed = torch.zeros(len(full.operator), dtype=torch.bool)
        self._all = full.operator.shape[1] == 1  # no operator is searched

    def pressed(self, alive: Alive) -> Alive:
        if self._all:
            return alive
        assert self._pressed is not None
        layers = self._pressed.to(alive.operator.device)
        return Alive(torch.zeros_like(alive.depth), alive.operator & layers[:, None], torch.zeros_like(alive.width))

    def keep(self, ratios: Ratios, alive: Alive, progress: float) -> Alive:
        """Apply the threshold where it presses; then press the layers whose turn it is."""
        pressed, self._before = self.pressed(alive), (self._pressed, self._all)
        kept = super().keep(ratios, alive, progress)
        kept = Alive(*(torch.where(mask, below, old) for mask, below, old in zip(pressed, kept, alive, strict=True)))
        self._press(ratios.operator * kept.operator, kept.operator, progress)
        return kept

    def renewed(self, before: Alive, after: Alive) -> Alive | None:
        """When a layer has been decided, the other layers' operators; when all have been, depth and width."""
        decided = (before.operator.sum(-1) > 1) & (after.operator.sum(-1) == 1)
        pressed, all_pressed = self._before
        if all_pressed or pressed is None or not bool(decided.any()):
            return None
        undecided = after.operator.sum(-1) > 1
        nothing = Alive(*(torch.zeros_like(mask) for mask in after))
        if not bool(undecided.any()):
            return nothing._replace(depth=after.depth, width=after.width)
        waiting = undecided & ~pressed.to(undecided.device)
        if self._pressed is not None:  # what is pressed from now on decides by the evidence that it has
            waiting &= ~self._pressed.to(undecided.device)
        return nothing._replace(operator=after.operator & waiting[:, None])

    def _press(self, ratio: Tensor, alive: Tensor, progress: float) -> None:
        """Press so many layers that the schedule is kept: those that are decided count."""
        assert self._pressed is not None
        if progress >= round(1.0 - LAST, 9):
            self._all = True
            return
        undecided = (alive.sum(-1) > 1).cpu()
        self._pressed = self._pressed & undecided
        due = self._due(progress, len(undecided)) - int((~undecided).sum() + self._pressed.sum())
        waiting = (undecided & ~self._pressed).nonzero()[:, 0].tolist()
        for layer in sorted(waiting, key=lambda layer: -_margin(ratio[layer]))[: max(due, 0)]:
            self._pressed[layer] = True

    def _due(self, progress: float, layers: int) -> int:
        """How many layers have been pressed at this time, if all goes by the schedule."""
        slot = (1.0 - LAST - self._begin) / layers
        return int(min(max((progress - self._begin) / slot + 1.0 - EVIDENCE + 1e-9, 0.0), layers))

    def state_dict(self) -> dict[str, Any]:
        return {"pressed": self._pressed, "all": self._all}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._pressed, self._all = state["pressed"], state["all"]


def _margin(ratio: Tensor) -> float:
    """Of the best two candidates' log-probabilities; ``ratio`` is 1 for the best one."""
    best = ratio.sort(descending=True).values
    return float(-best[1].log())
