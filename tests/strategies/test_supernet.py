"""The super-network against a slow, plain one: all operators at full width, masks multiplied, nothing shared."""

import copy
import random
from collections.abc import Callable
from itertools import chain, combinations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nas_space.architecture import Architecture
from nas_space.config import DIMENSIONS, SpaceConfig, operator_name
from nas_space.network import apply_head
from nas_space.space import JointSpace
from strategies import supernet as module_under_test
from strategies.alive import Alive
from strategies.parameters import ArchitectureParameters
from strategies.supernet import MixedLayer, MixedStage, shrink_supernet

SUBSETS = list(chain.from_iterable(combinations(DIMENSIONS, n) for n in range(5)))
WIDE = Callable[..., JointSpace]
Space = Callable[..., SpaceConfig]


def parameters_of(model: nn.Module) -> ArchitectureParameters:
    parameters = model.architecture_parameters
    assert isinstance(parameters, ArchitectureParameters)
    return parameters


def reference(model: JointSpace, image: Tensor) -> Tensor:
    """Equations N and 2 to 5 by the letter, on the weights of a super-network that was never narrowed."""
    space, parameters = model.config, parameters_of(model)
    depth, operator, width = (
        (logits.sigmoid() * mask) / (logits.sigmoid() * mask).sum(-1, keepdim=True).clamp(min=1e-30)
        for logits, mask in zip(parameters.logits(), parameters.alive, strict=True)
    )
    half = x = model.down1(image)
    features = []
    for number, stage in enumerate(model.stages()):
        assert isinstance(stage, MixedStage)
        x = getattr(model, f"down{number + 2}")(x)
        channels, candidates = space.widths[number], space.width_candidates(number)
        outputs = []
        for j, layer in enumerate(stage.layers):
            assert isinstance(layer, MixedLayer)
            row, mixture = sum(space.layers[:number]) + j, x
            for o, (dilation, pooling) in enumerate(space.operators):
                conv = layer.operators[operator_name(dilation, pooling)].conv
                masks = []
                for c in (0, 1):
                    mask = torch.zeros(channels, dtype=x.dtype)
                    for k, count in enumerate(candidates):
                        mask = mask + width[row, o, c, k] * (torch.arange(channels) < count)
                    masks.append(mask[:, None, None])
                y = functional.avg_pool2d(x, pooling, ceil_mode=True, count_include_pad=False)
                y = functional.conv2d(
                    y, conv.conv3x1.weight, conv.conv3x1.bias, padding=(dilation, 0), dilation=(dilation, 1)
                )
                y = functional.relu(y) * masks[0]
                y = functional.conv2d(
                    y, conv.conv1x3.weight, conv.conv1x3.bias, padding=(0, dilation), dilation=(1, dilation)
                )
                y = conv.bn(y) * masks[1]
                if pooling > 1:
                    y = functional.interpolate(y, size=x.shape[-2:], mode="bilinear", align_corners=False)
                mixture = mixture + operator[row, o] * y
            x = functional.relu(mixture)
            outputs.append(x)
        x = sum(
            (depth[number, k] * outputs[d - 1] for k, d in enumerate(space.depth_candidates[number])),
            torch.zeros_like(x),
        )
        features.append(x)
    return apply_head(model.head, space.heads[0], half, features)


def set_trainable(model: nn.Module, mode: str) -> None:
    logits = {id(p) for p in parameters_of(model).logits()}
    for parameter in model.parameters():
        parameter.requires_grad_(mode == "both" or (id(parameter) in logits) == (mode == "architecture"))


def run(forward: Callable[[Tensor], Tensor], model: nn.Module, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits, and the gradient of a random function of them by parameter."""
    model.zero_grad()
    result = forward(image)
    generator = torch.Generator().manual_seed(0)
    (result * torch.randn(result.shape, dtype=result.dtype, generator=generator)).sum().backward()
    return result.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def shrunk(model: JointSpace, alive: Alive) -> tuple[JointSpace, JointSpace]:
    """A narrowed network, and a copy at full width that only knows the masks."""
    parameters_of(model).set_alive(alive)
    wide = copy.deepcopy(model)
    shrink_supernet(model.stages(), alive)
    return model, wide


def compare(
    model: JointSpace, wide: JointSpace, size: tuple[int, int], mode: str, training: bool = True, atol: float = 1e-9
) -> None:
    """Forward, gradients and running statistics of ``model`` against the reference on ``wide``."""
    for network in (model, wide):
        network.train(training)
        set_trainable(network, mode)
    image = torch.randn(2, 3, *size, dtype=parameters_of(model).alpha.dtype)
    result, gradients = run(model, model, image)
    expected, all_gradients = run(lambda x: reference(wide, x), wide, image)
    torch.testing.assert_close(result, expected, rtol=atol, atol=atol)
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert set(gradients) <= trainable
    scale = max(float(g.abs().max()) for g in all_gradients.values()) if all_gradients else 1.0
    for name in trainable:
        full = all_gradients.get(name)
        shape = model.get_parameter(name).shape
        own = gradients.get(name, torch.zeros(shape, dtype=image.dtype))
        kept = torch.zeros(shape, dtype=image.dtype) if full is None else full[tuple(slice(n) for n in shape)]
        torch.testing.assert_close(
            own, kept, rtol=atol, atol=atol * max(scale, 1.0), msg=lambda text, name=name: f"{name}: {text}"
        )
    statistics = dict(wide.named_buffers())
    for name, value in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            torch.testing.assert_close(value, statistics[name][: len(value)], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [(32, 40), (43, 37)], ids=str)
@pytest.mark.parametrize("mode", ["weights", "architecture", "both"])
@pytest.mark.parametrize("training", [True, False], ids=("train", "eval"))
def test_the_whole_space(size: tuple[int, int], mode: str, training: bool, tiny: Space, supernet: WIDE) -> None:
    model, wide = shrunk(supernet(tiny()), Alive.full(tiny()))
    compare(model, wide, size, mode, training)


@pytest.mark.parametrize("search", SUBSETS, ids=str)
def test_every_subset_of_dimensions(search: tuple[str, ...], tiny: Space, supernet: WIDE) -> None:
    model, wide = shrunk(supernet(tiny(search)), Alive.full(tiny(search)))
    compare(model, wide, (35, 41), "both")


@pytest.mark.parametrize("mode", ["weights", "architecture", "both"])
@pytest.mark.parametrize("seed", range(4))
def test_after_a_shrink(seed: int, mode: str, tiny: Space, supernet: WIDE, survivors: Callable[..., Alive]) -> None:
    space = tiny()
    model, wide = shrunk(supernet(space, seed), survivors(space, seed, 0.3 + 0.15 * seed))
    compare(model, wide, (43, 37), mode)


@pytest.mark.parametrize("mode", ["weights", "architecture"])
def test_after_several_shrinks(mode: str, tiny: Space, supernet: WIDE, survivors: Callable[..., Alive]) -> None:
    space = tiny()
    model = supernet(space)
    wide = copy.deepcopy(model)
    alive = None
    for seed in range(3):
        alive = survivors(space, seed, 0.75, alive)
        for network in (model, wide):
            parameters_of(network).set_alive(alive)
        shrink_supernet(model.stages(), alive)
        compare(model, wide, (33, 39), mode)


@pytest.mark.parametrize("stages", [3, 4])
def test_more_stages_with_different_widths(
    stages: int, deep: Space, supernet: WIDE, survivors: Callable[..., Alive]
) -> None:
    space = deep(stages)
    model = supernet(space)
    wide = copy.deepcopy(model)
    compare(model, wide, (65, 71), "both")
    alive = survivors(space, stages, 0.6)
    for network in (model, wide):
        parameters_of(network).set_alive(alive)
    shrink_supernet(model.stages(), alive)
    compare(model, wide, (65, 71), "both")


@pytest.mark.parametrize("seed", range(3))
def test_with_one_survivor_everywhere(seed: int, tiny: Space, supernet: WIDE) -> None:
    architecture = Architecture.random(tiny(), random.Random(seed))
    model, wide = shrunk(supernet(tiny(), seed), Alive.only(architecture))
    compare(model, wide, (37, 45), "weights")


def test_in_single_precision(tiny: Space, supernet: WIDE, survivors: Callable[..., Alive]) -> None:
    model, wide = shrunk(supernet(tiny(), 1, torch.float32), survivors(tiny(), 1))
    model.eval()
    wide.eval()
    image = torch.randn(2, 3, 43, 37)
    with torch.no_grad():
        torch.testing.assert_close(model(image), reference(wide, image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [True, False], ids=("train", "eval"))
def test_narrowed_is_the_same_as_masked(
    training: bool, tiny: Space, supernet: WIDE, survivors: Callable[..., Alive]
) -> None:
    model, wide = shrunk(supernet(tiny(), 2), survivors(tiny(), 2))
    image = torch.randn(2, 3, 43, 37, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model.train(training)(image), wide.train(training)(image), rtol=1e-10, atol=1e-10)


def test_the_paths_with_and_without_gradient_agree(tiny: Space, supernet: WIDE) -> None:
    model = supernet(tiny()).eval()
    image = torch.randn(1, 3, 33, 47, dtype=torch.float64)
    results = []
    for mode in ("weights", "architecture"):
        set_trainable(model, mode)
        results.append(model(image).detach())
    with torch.no_grad():
        results.append(model(image))
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("seed", range(4))
def test_what_died_is_gone(seed: int, tiny: Space, supernet: WIDE, survivors: Callable[..., Alive]) -> None:
    space = tiny()
    alive = survivors(space, seed, 0.4)
    model, _ = shrunk(supernet(space, seed), alive)
    for number, stage in enumerate(model.stages()):
        assert isinstance(stage, MixedStage)
        depths = [d for d, left in zip(space.depth_candidates[number], alive.depth[number], strict=False) if left]
        assert len(stage.layers) == max(depths)
        for j, layer in enumerate(stage.layers):
            assert isinstance(layer, MixedLayer)
            row, widths = sum(space.layers[:number]) + j, space.width_candidates(number)
            names = [operator_name(*operator) for o, operator in enumerate(space.operators) if alive.operator[row, o]]
            assert list(layer.operators) == names
            for o, operator in enumerate(space.operators):
                if alive.operator[row, o]:
                    conv = layer.operators[operator_name(*operator)].conv
                    first, second = (
                        max(w for w, left in zip(widths, alive.width[row, o, c], strict=True) if left) for c in (0, 1)
                    )
                    assert conv.conv3x1.weight.shape == (
                        first,
                        space.widths[number],
                        3,
                        1,
                    ) and conv.conv3x1.bias.shape == (first,)
                    assert conv.conv1x3.weight.shape == (second, first, 1, 3) and conv.conv1x3.bias.shape == (second,)
                    shapes = {
                        x.shape for x in (conv.bn.weight, conv.bn.bias, conv.bn.running_mean, conv.bn.running_var)
                    }
                    assert shapes == {(second,)} and conv.bn.num_features == conv.conv1x3.out_channels == second


def test_parameters_and_work_never_grow(tiny: Space, supernet: WIDE, survivors: Callable[..., Alive]) -> None:
    space, alive = tiny(), None
    model = supernet(space)
    counts = [sum(p.numel() for p in model.parameters())]
    for seed in range(4):
        alive = survivors(space, seed, 0.7, alive)
        parameters_of(model).set_alive(alive)
        shrink_supernet(model.stages(), alive)
        counts.append(sum(p.numel() for p in model.parameters()))
    assert counts == sorted(counts, reverse=True) and counts[-1] < counts[0]


def test_shrinking_again_by_the_same_masks_changes_nothing(
    tiny: Space, supernet: WIDE, survivors: Callable[..., Alive]
) -> None:
    alive = survivors(tiny(), 0)
    model, _ = shrunk(supernet(tiny()), alive)
    before = dict(model.named_parameters())
    shrink_supernet(model.stages(), alive)
    after = dict(model.named_parameters())
    assert set(before) == set(after) and all(before[name] is after[name] for name in before)


def test_a_deletion_moves_the_output_by_its_mass(tiny: Space, supernet: WIDE) -> None:
    """Deleting at retaining ratio e changes the network by renormalisation alone: in proportion to e."""
    space, image = tiny(), torch.randn(2, 3, 33, 40, dtype=torch.float64)
    changes = []
    for ratio in (1e-3, 1e-5, 1e-7):
        model = supernet(space).eval()
        parameters = parameters_of(model)
        with torch.no_grad():
            for logits in parameters.logits():
                logits.zero_()
                logits[..., 1] = torch.logit(torch.tensor(ratio / 2, dtype=torch.float64))
            before = model(image)
            alive = parameters.alive
            for mask in alive:
                mask[..., 1] = False
            alive = alive.cascade(space)
            parameters.set_alive(alive)
            shrink_supernet(model.stages(), alive)
            changes.append(float((model(image) - before).abs().max()))
    assert changes[0] > changes[1] > changes[2] > 0
    assert changes[1] == pytest.approx(changes[0] / 100, rel=0.2) and changes[2] == pytest.approx(
        changes[1] / 100, rel=0.2
    )


def test_deleting_a_candidate_without_mass_changes_nothing(
    tiny: Space, supernet: WIDE, survivors: Callable[..., Alive]
) -> None:
    space, image = tiny(), torch.randn(2, 3, 33, 40, dtype=torch.float64)
    model, alive = supernet(space).eval(), survivors(tiny(), 3)
    parameters = parameters_of(model)
    with torch.no_grad():
        for logits, mask in zip(parameters.logits(), alive, strict=True):
            logits[~mask & mask.any(-1, keepdim=True)] = -300.0
        before = model(image)
        parameters.set_alive(alive)
        shrink_supernet(model.stages(), alive)
        torch.testing.assert_close(model(image), before, rtol=1e-11, atol=1e-11)


def test_one_pooling_and_one_upsampling_a_layer(tiny: Space, supernet: WIDE, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {"pool": 0, "upsample": 0}

    def counted(name: str) -> None:
        original = getattr(module_under_test, name)

        def call(x: Tensor, argument: object) -> Tensor:
            calls[name] += argument != 1
            return original(x, argument)

        monkeypatch.setattr(module_under_test, name, call)

    counted("pool")
    counted("upsample")
    supernet(tiny())(torch.randn(1, 3, 64, 64, dtype=torch.float64))
    assert calls == {"pool": 6, "upsample": 6}


def test_the_input_is_left_alone(tiny: Space, supernet: WIDE) -> None:
    stage = supernet(tiny()).stages()[0]
    assert isinstance(stage, MixedStage)
    stage.parameters_of_space.refresh()
    x = torch.randn(1, 8, 9, 9, dtype=torch.float64)
    before = x.clone()
    stage(x)
    assert torch.equal(x, before)


def test_nnis_interface(tiny: Space, supernet: WIDE) -> None:
    space = tiny()
    model = supernet(space)
    labels = set(JointSpace(space, 3).simplify())
    exported: dict[str, object] = {}
    probabilities: dict[str, dict[str, float]] = {}
    for stage in model.stages():
        assert isinstance(stage, MixedStage)
        assert stage.resample({}) == {}
        exported |= stage.export({})
        probabilities |= stage.export_probs({})
    assert set(exported) == set(probabilities) == labels == set(model.simplify())
    assert Architecture.from_sample(space, exported) == parameters_of(model).architecture()


def test_a_copy_reads_its_own_parameters(tiny: Space, supernet: WIDE) -> None:
    model = supernet(tiny()).eval()
    twin = copy.deepcopy(model)
    image = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        before = model(image)
        parameters_of(twin).beta.normal_()
        assert torch.equal(model(image), before) and not torch.equal(twin(image), before)
