"""The training recipe of a segmentation network as a Lightning module; searches and retraining share it."""

import torch
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from experiments.options.groups import IGNORE, TrainOptions
from nas_space.blocks import upsample
from nas_space.errors import InputError
from strategies.schedules import poly


class SegmentationModule(LightningModule):
    """Pixel cross-entropy, Adam with poly decay (one step of the schedule an epoch).

    Args:
        train: learning rate and weight decay.
        epochs: length of the schedule.
        class_weights: weight of each class in the loss ``(classes,)``.
        loss: from logits and labels of one resolution to a scalar, instead of cross-entropy.
    """

    def __init__(self, train: TrainOptions, epochs: int, class_weights: Tensor, loss: nn.Module | None = None) -> None:
        super().__init__()
        self.train_options = train
        self.epochs = epochs
        self.loss = nn.CrossEntropyLoss(weight=class_weights, ignore_index=IGNORE) if loss is None else loss

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of a batch: images ``(B, 3, H, W)``, labels ``(B, h, w)``; logits are upsampled to their resolution.

        Raises:
            InputError: the loss is not finite (looked at on the CPU only; on a GPU at the end of an epoch).
        """
        images, labels = batch
        valid = (labels != IGNORE).any()  # a batch without a labelled pixel has no loss, not 0/0; stays on the device
        logits = self.model(images).float()
        if logits.shape[-2:] != labels.shape[-2:]:
            logits = upsample(logits, (labels.shape[-2], labels.shape[-1]))
        loss = self.loss(logits, torch.where(valid, labels, 0)) * valid
        if loss.device.type == "cpu" and not torch.isfinite(loss):
            epoch = self.current_epoch + 1
            raise InputError(f"the loss became {float(loss.detach())} in epoch {epoch}: lower train.lr or method.lr")
        return loss

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LambdaLR]]:
        options = self.train_options
        optimizer = Adam(self.parameters(), lr=options.lr, weight_decay=options.weight_decay, fused=True)
        return [optimizer], [LambdaLR(optimizer, lambda epoch: poly(min(epoch / self.epochs, 1.0)))]
