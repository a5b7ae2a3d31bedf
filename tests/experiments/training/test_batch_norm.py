import pytest
import torch

from experiments.training.batch_norm import check_batch_of_one
from nas_space.architecture import baseline1
from nas_space.config import Head, SpaceConfig
from nas_space.errors import InputError
from nas_space.network import SegmentationNetwork


@pytest.mark.parametrize(("head", "size", "fits"), [("encoder", (64, 96), True), ("aggregation", (64, 96), False)])
def test_the_check_tells_what_training_does(head: Head, size: tuple[int, int], fits: bool) -> None:
    architecture = baseline1(SpaceConfig.preset("compact"))
    network = SegmentationNetwork(architecture, 3, head).train()
    with torch.device("meta"):
        copy = SegmentationNetwork(architecture, 3, head)
    if fits:
        network(torch.zeros(1, 3, *size))
        check_batch_of_one(copy, size, "it", "fix")
        return
    with pytest.raises(ValueError, match="more than 1 value"):
        network(torch.zeros(1, 3, *size))
    with pytest.raises(InputError, match="batches of one image are too small .* of it at 64x96; fix"):
        check_batch_of_one(copy, size, "it", "fix")
