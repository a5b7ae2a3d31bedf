"""Options of a search method, shared by all strategies: a comparison that tunes one tunes all. No torch."""

import math
from dataclasses import dataclass, field

from nas_space.errors import InputError

LAST = 0.3  # of a staggered search, in which depth and width are decided

LARGEST_SPREAD = 100.0
"""Above it the gamma distribution's draws are often too small for a float, and the parts are not what was asked for."""


@dataclass
class Rho:
    """Weight of the regularizer for each level (SSR paper, equation 10).

    Args:
        depth: on the depth choices.
        operator: on the operator (dilation and pooling) choices.
        width: on the width choices.
    """

    depth: float = 0.15
    operator: float = 0.30
    width: float = 0.30


@dataclass
class MethodOptions:
    """How the architecture is searched.

    The defaults suit short searches (tens of epochs); ``experiments/configs/paper.yml`` holds the SSR paper's.

    Args:
        rho: weight of the regularizer for each level.
        lr: Adam's learning rate for the architecture parameters.
        weight_decay: Adam's L2 coefficient for the architecture parameters.
        h: candidates at or below this share of the best of their choice are removed, once per epoch.
        warmup: part of the search, in [0, 1), in which only the weights are trained (the paper: 0).
        explore: part of the search, after the warm-up, in which the architecture follows the task loss alone (rho is
            0), so that the regularizer amplifies evidence instead of the first steps' noise (the paper: 0).
        uniform: until the end of the exploration the candidates are mixed alike, and the logits gather evidence that
            they do not change (SSR and its controls alone; the paper: false).
        spread: with ``uniform``, how far the candidates' parts in the mixture lie from equal ones. Above 0 they are
            drawn in every pass, from a symmetric Dirichlet distribution of concentration ``1 / spread``. At 1 all
            mixtures are as likely; above it one candidate is often nearly alone.
        ramp: part of the search, after the exploration, over which rho rises geometrically from 1/10,000 of its value
            to all of it, so that the task decides where it can before the regularizer decides the rest (0: all of it at
            once).
        stagger: the regularizer acts on one layer's operators at a time, the most certain first; after each decision
            the other layers' logits begin anew. Depth and width come last (SSR and its controls; the paper: false).
        share_widths: the operators of a layer share their width logits (the paper: false).
        rescale: after each shrink, scale the sigmoids of a choice's survivors to a largest of 1/2, so that ties do not
            saturate; probabilities stay as they are (the paper: false).
        arch_split: share of the training set that only the architecture sees (0.5: DARTS' halves); absent, both
            levels see the whole set, independently shuffled, or one batch together while ``uniform`` mixes alike.
        order: 1 takes the weights as they are for the architecture's gradient, 2 looks one step of them ahead (DARTS'
            second order: three more gradients in each of its steps).
        criterion: how SGAS chooses what to decide: 1 by certainty, 2 by certainty and stability.
        zero_one: weight of FairDARTS' zero-one loss.
        samples: networks that random search and NNI's multi-trial strategies train, within one search's number of
            passes.
    """

    rho: Rho = field(default_factory=Rho)
    lr: float = 0.02
    weight_decay: float = 0.0
    h: float = 0.1
    warmup: float = 0.15
    explore: float = 0.4
    uniform: bool = True
    spread: float = 0.0
    ramp: float = 0.0
    stagger: bool = False
    share_widths: bool = False
    rescale: bool = True
    arch_split: float | None = None
    order: int = 1
    criterion: int = 1
    zero_one: float = 10.0
    samples: int = 8

    def check(self) -> None:
        """Refuse values without meaning.

        Raises:
            InputError: the key that is out of range, with its range.
        """
        below_one = {key: getattr(self, key) for key in ("h", "warmup", "explore", "ramp")}
        any_size = {key: getattr(self, key) for key in ("lr", "weight_decay", "zero_one")}
        any_size |= {f"rho.{level}": weight for level, weight in vars(self.rho).items()}
        for values, limit, text in ((below_one, 1.0, " and below 1"), (any_size, math.inf, "")):
            for key, value in values.items():
                if not 0.0 <= value < limit:
                    raise InputError(f"method.{key}: {value:g} must be at least 0{text}")
        if not 0.0 <= self.spread <= LARGEST_SPREAD:
            raise InputError(f"method.spread: {self.spread:g} must be from 0 to {LARGEST_SPREAD:g}")
        for key in ("order", "criterion"):
            if getattr(self, key) not in (1, 2):
                raise InputError(f"method.{key}: {getattr(self, key)} must be 1 or 2")
        if self.spread > 0.0 and not self.uniform:
            raise InputError("method.spread: nothing is drawn without method.uniform; give it true, or a spread of 0")
        if self.order == 2 and self.spread > 0.0:
            raise InputError("method.spread: both sides of a second-order step need the same parts; give 0, or order 1")
        if not 1 <= self.samples <= 10_000:
            raise InputError(f"method.samples: {self.samples} must be from 1 to 10000")
        before = self.warmup + self.explore
        if before >= 1.0:
            raise InputError(f"method.warmup + method.explore: {before:g} must be below 1, else rho never acts")
        if self.stagger and before >= 1.0 - LAST - 1e-9:
            place = f"{before:g} must be below {1.0 - LAST:g} with method.stagger"
            raise InputError(f"method.warmup + method.explore: {place}, else no layer has its turn")
        end = round(before + self.ramp, 9)
        if end >= 1.0:
            place = f"{end:g} of the search; it must be below 1"
            raise InputError(f"method.ramp: {self.ramp:g} after warmup and explore ends at {place}")
        if self.arch_split is not None and not 0.0 < self.arch_split < 1.0:
            raise InputError(f"method.arch_split: {self.arch_split:g} must be between 0 and 1")
