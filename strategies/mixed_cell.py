"""NNI's ``Cell`` as a super-network that ends at a cell.

A node adds up ``num_ops_per_node`` operations, each on one earlier node. As in DARTS (https://arxiv.org/abs/1806.09055)
an edge has one operation, and the inputs of a node are distinct. So there is one choice of an operation for each edge
(NNI's label ``cell/4_1``: from node 1 to node 4), and one choice of inputs for each node (``cell/inputs_4``)::

    node_i = sum_j P(j is an input of i) sum_o p_ijo op_ijo(node_j)

NNI mixes all edges, and takes the best few when the search is over: what it returns is not what it has trained.

``merge_op="loose_end"`` joins the nodes that no other node reads. Here each node is multiplied by the probability that
nobody reads it: in the end by 1 or 0, which is as good as gone for a convolution or a linear layer behind.
"""

import copy
import warnings
from collections.abc import Sequence
from functools import partial, reduce
from itertools import combinations
from typing import Any, cast

import torch
from nni.nas.nn.pytorch import Cell
from nni.nas.nn.pytorch.base import recursive_freeze
from nni.nas.nn.pytorch.cell import preprocess_cell_inputs
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingCell
from nni.nas.space import model_context
from torch import Tensor, nn

from strategies.alive import Alive
from strategies.choices import Best, Choice, Choices, Condition
from strategies.mixed_modules import CHOICES, MixedModule, has
from strategies.narrowing import ParameterChanges


class MixedCell(MixedModule, PathSamplingCell):
    """A cell with all operations on all edges, less those that are dead; arguments as of NNI's ``PathSamplingCell``."""

    merge_op: str

    def __init__(
        self,
        op_factory: Any,
        num_nodes: int,
        num_ops_per_node: int,
        num_predecessors: int,
        preprocessor: Any,
        postprocessor: Any,
        concat_dim: int,
        memo: Any,
        mutate_kwargs: dict[str, Any],
        label: str,
    ) -> None:
        sizes = (num_nodes, num_ops_per_node, num_predecessors)
        super().__init__(op_factory, *sizes, preprocessor, postprocessor, concat_dim, memo, mutate_kwargs, label)
        choices: Choices = mutate_kwargs[CHOICES]
        self.op_factory, self.merge_op = op_factory, "all"
        self.input_choices: dict[int, Choice] = {}
        self.edges: dict[tuple[int, int], Choice] = {}
        for node in self.output_node_indices:
            sets = _input_sets(node, num_ops_per_node)
            inputs = choices.add("operator", f"{self.label}/inputs_{node}", sets, is_label=False)
            self.input_choices[node] = inputs
            for j in range(node):
                edge = f"{self.label}/{node}_{j}"
                self.edges[node, j] = choices.add("operator", edge, self.op_names, is_label=False)
            for k in range(num_ops_per_node):
                choices.export(f"{self.label}/input_{node}_{k}", partial(_input_of, inputs, k))
                edges = [self.edges[node, j] for j in range(node)]
                choices.export(f"{self.label}/op_{node}_{k}", partial(_operation_of, inputs, edges, k))

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: Any, mutate_kwargs: dict[str, Any]) -> "MixedCell | None":
        """Replace a cell whose operations depend on their input, or that joins loose ends, as NNI does."""
        cell: MixedCell | None = super().mutate(module, name, memo, mutate_kwargs)
        if cell is not None:
            cell.merge_op = str(module.merge_op)
        if cell is not None and cell.merge_op == "loose_end":
            what = "the found network has only the nodes that nobody reads, so the space must be able to build it anew"
            warnings.warn(f"Cell {cell.label!r} joins loose ends: {what}", UserWarning, stacklevel=2)
        return cell

    def operations(self, node: int, j: int) -> nn.ModuleDict:
        """The operations that are left on the edge from node ``j``."""
        edges = cast(nn.ModuleList, self.ops[node - self.num_predecessors])
        return cast(nn.ModuleDict, edges[j])

    def forward(self, *inputs: Any) -> Any:
        processed = preprocess_cell_inputs(self.num_predecessors, *inputs)
        states = list(self.preprocessor(processed))
        for node in self.output_node_indices:
            shares = self._shares(node)
            terms = [_times(self._edge(node, j, states[j]), share) for j, share in shares.items()]
            states.append(reduce(torch.add, terms))
        nodes = states[self.num_predecessors :]
        if self.merge_op == "loose_end":
            loose = map(self._loose, self.output_node_indices)
            nodes = [_times(state, share) for state, share in zip(nodes, loose, strict=True)]
        return self.postprocessor(torch.cat(nodes, self.concat_dim), processed)

    def _edge(self, node: int, j: int, state: Tensor) -> Tensor:
        choice, operations = self.edges[node, j], self.operations(node, j)
        results = [operations[self.op_names[k]](state) for k in choice.survivors]
        if len(results) == 1:
            return cast(Tensor, results[0])
        return reduce(torch.add, [_times(y, weight) for y, weight in zip(results, choice.alive_weights(), strict=True)])

    def _shares(self, node: int) -> dict[int, Any]:
        """For each earlier node that may be an input, how often it is one, expected."""
        choice = self.input_choices[node]
        weights = choice.alive_weights() if len(choice.survivors) > 1 else [1]
        shares: dict[int, Any] = {}
        for k, weight in zip(choice.survivors, weights, strict=True):
            for j in choice.values[k]:
                shares[j] = shares[j] + weight if j in shares else weight
        return dict(sorted(shares.items()))

    def _loose(self, node: int) -> Any:
        """The probability that no later node reads this one; a number where that is decided."""
        probability: Any = 1
        for later in range(node + 1, self.output_node_indices[-1] + 1):
            choice = self.input_choices[later]
            readers = [k for k in choice.survivors if node in choice.values[k]]
            if len(readers) == len(choice.survivors):
                return 0
            if readers:
                weights = choice.weights()
                probability = probability * (1 - reduce(torch.add, [weights[k] for k in readers])).clamp(min=0.0)
        return probability

    def own_choices(self) -> Sequence[tuple[Choice, Sequence[Condition]]]:
        edges = [(edge, [partial(_reads, self.input_choices[node], j)]) for (node, j), edge in self.edges.items()]
        return [*((choice, ()) for choice in self.input_choices.values()), *edges]

    def inner(self) -> Sequence[tuple[nn.Module, Sequence[Condition]]]:
        return [
            (self.operations(node, j)[name], [partial(_reads, self.input_choices[node], j), partial(has, edge, k)])
            for (node, j), edge in self.edges.items()
            for k, name in enumerate(self.op_names)
        ]

    def shrink(self, alive: Alive, changes: ParameterChanges) -> None:
        for (node, j), edge in self.edges.items():
            operations = self.operations(node, j)
            for k, name in enumerate(self.op_names):
                if k not in edge.survivors and name in operations:
                    changes.delete(operations[name])
                    del operations[name]

    def freeze(self, sample: dict[str, Any]) -> Cell:
        """The cell of a sample, with the weights that its operations have here."""
        sizes = (self.num_nodes, self.num_ops_per_node, self.num_predecessors)
        ends = (recursive_freeze(module, sample)[0] for module in (self.preprocessor, self.postprocessor))
        with model_context(sample):
            cell = Cell(self.op_factory, *sizes, self.merge_op, *ends, self.concat_dim, label=self.label)
        for node in self.output_node_indices:
            for k in range(self.num_ops_per_node):
                (j,), name = sample[f"{self.label}/input_{node}_{k}"], sample[f"{self.label}/op_{node}_{k}"]
                operation = recursive_freeze(self.operations(node, j)[name], sample)[0]
                cell.ops[node - self.num_predecessors][k] = copy.deepcopy(operation)
        return cell.train(self.training)


def _input_sets(node: int, count: int) -> list[tuple[int, ...]]:
    """The sets of inputs of a node with that many earlier ones; where these do not suffice, some are read again."""
    if node >= count:
        return list(combinations(range(node), count))
    return [tuple(k % node for k in range(count))]


def _input_of(inputs: Choice, k: int, best: Best) -> list[int]:
    return [inputs.values[best(inputs)][k]]


def _operation_of(inputs: Choice, edges: Sequence[Choice], k: int, best: Best) -> Any:
    edge = edges[_input_of(inputs, k, best)[0]]
    return edge.values[best(edge)]


def _reads(inputs: Choice, j: int, survivors: Any) -> bool:
    return any(j in inputs.values[k] for k in survivors[inputs])


def _times(tensor: Tensor, factor: Any) -> Tensor:
    """``tensor`` as it is where the factor is the number 1."""
    return tensor if isinstance(factor, int) and factor == 1 else tensor * factor
