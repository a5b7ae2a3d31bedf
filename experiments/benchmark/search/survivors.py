"""Make a space as it looks in the middle of a search, by removing candidates at random."""

import torch

from nas_space.config import SpaceConfig
from strategies.alive import Alive


def random_survivors(space: SpaceConfig, share: float, seed: int) -> Alive:
    """Masks of about ``share`` of all candidates, after the cascade, with a survivor in every choice that exists.

    Every candidate draws a number, and the lowest leave first, but never the last of a choice. With one seed, the
    survivors of a smaller share are among those of a larger one.

    Args:
        space: the searched space.
        share: of the candidates of all levels together, in (0, 1]; at least a single network remains.
        seed: of the numbers.
    """
    full = Alive.full(space)
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.rand(mask.shape, generator=generator).masked_fill(~mask, -1.0) for mask in full]

    def above(bar: float) -> Alive:
        remaining = (
            mask & ((number > bar) | (number == number.amax(-1, keepdim=True)))
            for number, mask in zip(drawn, full, strict=True)
        )
        return Alive(*remaining).cascade(space)

    total, low, high = sum(full.counts().values()), -1.0, 1.0
    for _ in range(30):  # the count falls monotonically with the bar
        middle = (low + high) / 2
        low, high = (middle, high) if sum(above(middle).counts().values()) > share * total else (low, middle)
    return above(high)
