"""Networks of other people, to be trained and measured beside ours."""

from typing import TYPE_CHECKING

from nas_space.errors import InputError

if TYPE_CHECKING:
    from torch import nn

PEERS = ("erfnet", "lraspp_mobilenet_v3_large")


def create_peer(name: str, num_classes: int) -> "nn.Module":
    """The network called ``name``, with random weights.

    Args:
        name: one of ``PEERS``.
        num_classes: channels of the logits.

    Returns:
        A module from images ``(N, 3, H, W)``, H and W at least 32, to logits ``(N, num_classes, h, w)``: ``(h, w)`` is
        ``(H, W)`` for ERFNet, and 1/8 of it, rounded up, for LR-ASPP.

    Raises:
        InputError: no peer has that name.
    """
    if name == "erfnet":
        from experiments.peers.erfnet import ERFNet

        return ERFNet(num_classes)
    if name == "lraspp_mobilenet_v3_large":
        from experiments.peers.lraspp import LRASPP

        return LRASPP(num_classes)
    raise InputError(f"{name}: unknown peer; choose from {', '.join(PEERS)}")
