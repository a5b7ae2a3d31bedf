"""An exponential moving average of a network's weights, kept beside it while it trains."""

from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage(Callback):
    """Follows a network step by step: ``average <- d average + (1 - d) weights``, batch statistics included.

    The first steps count more: after n steps ``d = min(decay, (1 + n) / (10 + n))``. Otherwise the average of a short
    training would remember its random start.

    Args:
        network: what is trained, on its device.
        decay: d, below 1.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        def blend(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
            n = torch.as_tensor(count)  # stays on its device: no synchronisation with a GPU
            d = ((1 + n) / (10 + n)).clamp(max=decay)
            return average * d + current * (1 - d)

        self.network = network
        self.averaged = AveragedModel(network, avg_fn=blend, use_buffers=True)

    @property
    def model(self) -> nn.Module:
        """The network with the averaged weights."""
        return self.averaged.module

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.averaged.to(pl_module.device)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *rest: Any) -> None:
        self.averaged.update_parameters(self.network)

    def state_dict(self) -> dict[str, Any]:
        return dict(self.averaged.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.averaged.load_state_dict(state_dict)
