"""Whether a network can be trained on batches of one image."""

import torch
from torch import nn

from nas_space.errors import InputError


def check_batch_of_one(network: nn.Module, size: tuple[int, int], what: str, fix: str) -> None:
    """Refuse a network with a batch norm that sees one pixel of the only image: it has no variance.

    Args:
        network: on the device ``meta``: nothing is computed.
        size: height and width of the image.
        what: the network's name in the message.
        fix: what to do.

    Raises:
        InputError: there is such a batch norm.
    """
    try:
        network.train()(torch.empty(1, 3, *size, device="meta"))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        what = f"batches of one image are too small for the batch norms of {what} at {size[0]}x{size[1]}"
        raise InputError(f"data: {what}; {fix}") from None
