"""What a training begins with: the weights of an earlier network, as far as they fit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.model_file import ModelInfo, load_model, save_weights
from nas_space.errors import InputError

COPY = "init.safetensors"
"""The weights that a run began with, kept for a resume: the file that they were read from may change or go."""
HEAD = "head."
CLASSIFIER = re.compile(r"head\.(classifier\.|weight$|bias$)")
STAGE = re.compile(r"stage(\d+)\.")
COUNTER = "num_batches_tracked"
Region = tuple[slice, ...]


@dataclass(frozen=True)
class InitialWeights:
    """The weights of an earlier network.

    A tensor fits one of the same name and shape. In the layers of a stage as wide as before, where the widths of a
    layer's convolutions differ, the leading channels fit, which are those that a search's masks keep. A head fits the
    same head, and its classifier the same classes. A peer fits the same peer.

    Args:
        source: where they were read.
        network: the earlier network.
        info: what it is.
    """

    source: str
    network: nn.Module
    info: ModelInfo

    @classmethod
    def load(cls, source: str | Path, name: str | None = None) -> "InitialWeights":
        """Read a ``model.safetensors``, or the run folder that holds one.

        Args:
            source: the file or folder.
            name: what the user called it, if it is a copy.

        Raises:
            InputError: as of ``load_model``.
        """
        try:
            return cls(name or str(source), *load_model(source))
        except InputError as error:
            raise InputError(f"init: {error}") from None

    def keep(self, folder: Path) -> None:
        """Write them into a run's folder."""
        save_weights(folder / COPY, self.network, self.info)

    @torch.no_grad()
    def give(self, network: nn.Module, info: ModelInfo) -> None:
        """Put what fits into ``network``, described by ``info``, in place."""
        own, state = self.network.state_dict(), network.state_dict()
        for name, region in self._regions(state, info).items():
            state[name][region].copy_(own[name][region])

    def count(self, stages: Sequence[ModelInfo]) -> dict[str, int]:
        """How many tensors of a training are taken over ``whole``, how many ``sliced``, and how many are ``new``.

        Args:
            stages: the network of each; of later ones the head alone counts, for their backbone is that of the stage
                before. Counters of batch norms do not count.

        Raises:
            InputError: nothing fits.
        """
        counts = {"whole": 0, "sliced": 0, "new": 0}
        own = self.network.state_dict()
        for number, info in enumerate(stages):
            with torch.device("meta"):
                state = info.build().state_dict()
            regions = self._regions(state, info)
            for name, tensor in state.items():
                if name.endswith(COUNTER) or (number and not name.startswith(HEAD)):
                    continue
                whole = "whole" if own.get(name, tensor).shape == tensor.shape else "sliced"
                counts[whole if name in regions else "new"] += 1
        if counts["whole"] + counts["sliced"] == 0:
            raise InputError(f"init: no tensor of {self.source} fits this network; give one of the same space or peer")
        return counts

    def _regions(self, state: Mapping[str, Tensor], info: ModelInfo) -> dict[str, Region]:
        """The part that fits of every tensor of ``state`` of which any does."""
        own = self.network.state_dict()
        common = {name: (own[name].shape, tensor.shape) for name, tensor in state.items() if name in own}
        pairs = ((name, self._region(name, *shapes, info)) for name, shapes in common.items())
        return {name: region for name, region in pairs if region is not None}

    def _region(self, name: str, own: torch.Size, shape: torch.Size, info: ModelInfo) -> Region | None:
        before = self.info
        if before.peer != info.peer:
            return None
        if info.peer is None and name.startswith(HEAD) and before.head != info.head:
            return None
        if info.peer is None and CLASSIFIER.match(name) and before.classes != info.classes:
            return None
        if own == shape:
            return tuple(slice(None) for _ in shape)
        stage = STAGE.match(name)
        if before.architecture is None or info.architecture is None or stage is None:
            return None
        number = int(stage.group(1))
        widths = {one.space.widths[number - 1 : number] for one in (before.architecture, info.architecture)}
        return tuple(slice(min(pair)) for pair in zip(own, shape, strict=True)) if len(widths) == 1 else None
