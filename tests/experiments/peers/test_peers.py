import pytest
import torch

from experiments.peers import PEERS, create_peer
from experiments.peers.erfnet import ERFNet, NonBottleneck1D
from nas_space.errors import InputError


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_of_erfnet_by_hand():
    def pairs(channels: int) -> int:  # two of 3x1 and 1x3, biases, and the batch norm of each pair
        return 4 * (3 * channels**2 + channels) + 2 * 2 * channels

    def down(inputs: int, outputs: int) -> int:
        return (9 * inputs + 1) * (outputs - inputs) + 2 * outputs

    def up(inputs: int, outputs: int) -> int:
        return 9 * inputs * outputs + outputs + 2 * outputs

    encoder = down(3, 16) + down(16, 64) + 5 * pairs(64) + down(64, 128) + 8 * pairs(128)
    decoder = up(128, 64) + 2 * pairs(64) + up(64, 16) + 2 * pairs(16) + 4 * 16 * 19 + 19
    assert parameters(create_peer("erfnet", 19)) == encoder + decoder == 2_064_191  # published: 2.06 M


def test_parameters_of_lraspp_are_those_of_torchvision():
    assert (
        parameters(create_peer("lraspp_mobilenet_v3_large", 21)) == 3_221_538
    )  # in torchvision's table of weights, for 21 classes


@pytest.mark.parametrize("size", [(32, 64), (33, 45), (45, 60)])
@pytest.mark.parametrize("name", PEERS)
def test_logits_of_any_size(name, size):
    expected = size if name == "erfnet" else tuple(-(-side // 8) for side in size)
    with torch.inference_mode():
        logits = create_peer(name, 5).eval()(torch.zeros(2, 3, *size))
    assert logits.shape == (2, 5, *expected)


@pytest.mark.parametrize("name", PEERS)
def test_every_parameter_learns(name):
    network = create_peer(name, 4).train()
    network(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def test_second_pair_of_a_block_is_dilated():
    """One block reaches 1 + dilation pixels to each side."""
    block = NonBottleneck1D(16, dilation=4).eval()
    image = torch.randn(1, 16, 31, 31, requires_grad=True)
    block(image)[0, :, 15, 15].sum().backward()
    assert image.grad is not None
    reached = image.grad[0].abs().sum(0).nonzero()
    assert reached.min(0).values.tolist() == [10, 10] and reached.max(0).values.tolist() == [20, 20]
    dilations = [module.pairs[1][0].dilation[0] for module in ERFNet(3).encoder if isinstance(module, NonBottleneck1D)]
    assert dilations == [1] * 5 + [2, 4, 8, 16] * 2


def test_unknown_peer_is_named():
    with pytest.raises(InputError, match="^resnet: unknown peer; choose from erfnet, lraspp_mobilenet_v3_large$"):
        create_peer("resnet", 3)
