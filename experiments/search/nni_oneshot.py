"""NNI's own one-shot strategies on the joint space, as the outside reference, and the state of their searches."""

from functools import partial
from typing import Any

import torch
from nni.nas.strategy import DARTS, GumbelDARTS, Proxyless
from torch import nn

from experiments.search.state import SearchState
from nas_space.architecture import Architecture, Layer
from nas_space.blocks import FactorizedConv
from nas_space.config import SpaceConfig, operator_name
from nas_space.expected_cost import Probabilities
from nas_space.space import JointSpace
from strategies.alive import Alive, candidate_labels
from strategies.derive import derive_network
from strategies.method import MethodOptions

CLASSES = {"nni-darts": DARTS, "nni-gumbel": GumbelDARTS, "nni-proxyless": Proxyless}


def create_nni_strategy(name: str, method: MethodOptions, epochs: int) -> Any:
    """NNI's strategy with our learning rate and warm-up; its optimiser is fixed (Adam, weight decay 0.001)."""
    return CLASSES[name](arc_learning_rate=method.lr, warmup_epochs=int(method.warmup * epochs))


@torch.no_grad()
def state_of_nni(search: nn.Module, config: SpaceConfig) -> SearchState:
    """The state of a search by NNI: nobody leaves, and probabilities come from its ``export_probs``."""
    supernet: Any = search.training_module.model  # type: ignore[union-attr]
    assert isinstance(supernet, JointSpace)
    exported = search.export_probs()  # type: ignore[operator]
    alive = Alive.full(config)
    probabilities = Probabilities(*(torch.zeros(mask.shape) for mask in alive))
    for p, entries in zip(probabilities, candidate_labels(config).values(), strict=True):
        for label, candidate, index in entries:
            by_text = {str(key): value for key, value in exported.get(label, {candidate: 1.0}).items()}
            p[index] = by_text[candidate]
    device = next(supernet.parameters()).device
    on_device = Probabilities(*(p.to(device) for p in probabilities))
    derive = partial(derive_network, supernet, copy_layer=copy_leading)
    return SearchState(supernet, alive.to(device), on_device, most_probable(config, probabilities), derive)


def most_probable(config: SpaceConfig, p: Probabilities) -> Architecture:
    """The best candidate of every choice."""
    sample: dict[str, Any] = {}
    for level, entries in zip(p, candidate_labels(config).values(), strict=True):
        best = level.argmax(-1, keepdim=True)
        for label, candidate, index in entries:
            if int(best[index[:-1]]) == index[-1]:
                sample[label] = int(candidate) if candidate.isdigit() else candidate
    return Architecture.from_sample(config, sample)


def copy_leading(stage: nn.Module, index: int, layer: Layer, target: FactorizedConv) -> None:
    """As ``strategies.derive.copy_narrowed``, for NNI's super-network, whose widths are leading slices."""
    block: Any = stage.blocks[index]  # type: ignore[index]
    block = block if hasattr(block, "op") else block["1"]  # Proxyless: a choice between nothing and the layer
    name = operator_name(layer.dilation, layer.pooling)
    source = block.op if hasattr(block.op, "conv3x1") else block.op[name]  # a single candidate is no choice
    tensors = source.state_dict()
    for key, value in target.state_dict().items():
        value.copy_(tensors[key][tuple(slice(side) for side in value.shape)])
