"""Exported files on trial: each is run by its engine, and answers beside the network that it was made from."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments.data.dataset import Split
from experiments.data.transforms import normalise
from experiments.export.deployed import Deployed
from experiments.metrics.miou import confusion_matrix, mean_iou
from experiments.runtime.interface import INPUT, Interface
from nas_space.blocks import upsample


class Answer(NamedTuple):
    """What a file gives for an image: its output, and the logits behind it (the same where classes are not taken inside)."""

    output: NDArray[Any]
    logits: NDArray[Any]


Runner = Callable[[NDArray[Any]], Answer]


@dataclass(frozen=True)
class Agreement:
    """How far a file agrees with the network.

    Args:
        max_logit_difference: largest absolute difference of two logits.
        equal_pixels: share of the pixels whose class is the same.
        images: number of images that were tried.
    """

    max_logit_difference: float
    equal_pixels: float
    images: int

    def within(self, difference: float, equal: float) -> bool:
        """Whether logits differ by at most ``difference`` and at least the share ``equal`` of the pixels is the same."""
        return self.max_logit_difference <= difference and self.equal_pixels >= equal


def run_onnxruntime(file: Path) -> Runner:
    """An ONNX file in ONNX Runtime."""
    import onnx
    import onnxruntime

    def session(source: str | bytes) -> Any:
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    itself = session(str(file))
    model = onnx.load(file)
    inner = next((node.input[0] for node in reversed(model.graph.node) if node.op_type == "ArgMax"), None)
    if inner is None:
        return lambda image: Answer(*2 * itself.run(None, {INPUT: image}))
    # The same graph, but what the classes are taken from comes out too.
    model.graph.output.append(onnx.helper.make_tensor_value_info(inner, onnx.TensorProto.FLOAT, None))
    open_graph = session(model.SerializeToString())
    return lambda image: Answer(itself.run(None, {INPUT: image})[0], open_graph.run([inner], {INPUT: image})[0])


def run_openvino(file: Path) -> Runner:
    """The XML file of an OpenVINO model in OpenVINO."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    core = openvino.Core()
    itself = core.compile_model(file, "CPU", settings)
    model = core.read_model(file)
    inner = next(
        (node.input_value(0) for node in reversed(model.get_ordered_ops()) if node.get_type_name() == "TopK"), None
    )
    if inner is None:
        return lambda image: Answer(*2 * [np.array(itself({0: image})[0])])
    model.add_outputs(inner)
    open_graph = core.compile_model(model, "CPU", settings)
    return lambda image: Answer(np.array(itself({0: image})[0]), np.array(open_graph({0: image})[1]))


def run_torchscript(file: Path) -> Runner:
    """A TorchScript file in PyTorch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is called old
        module = torch.jit.load(file)

    @torch.inference_mode()
    def run(image: NDArray[Any]) -> Answer:
        tensor = torch.from_numpy(image)
        output = module(tensor)
        return Answer(output.numpy(), (output if output.is_floating_point() else module.logits(tensor)).numpy())

    return run


def compare(run: Runner, network: nn.Module, interface: Interface, images: Sequence[Tensor]) -> Agreement:
    """Give a file and the network the same images.

    Args:
        run: the file.
        network: what it was made from, as it was trained.
        interface: the file's.
        images: ``(1, 3, H, W)`` each, uint8.
    """
    reference = Deployed(network, interface).eval()
    difference, equal, total = 0.0, 0, 0
    for image in images:
        given = as_input(image, interface)
        with torch.inference_mode():
            expected = reference.logits(given)
        answer = run(given.numpy())
        found = torch.from_numpy(np.array(answer.logits))
        if found.shape != expected.shape:
            raise ValueError(f"logits of shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
        worst = float((found - expected).abs().max())
        difference = max(difference, worst if np.isfinite(worst) else float("inf"))
        size = image.shape[-2], image.shape[-1]
        classes = torch.from_numpy(np.array(answer.output)) if interface.argmax else _classes(found, size)
        same = classes == (expected.argmax(1) if interface.argmax else _classes(expected, size))
        equal, total = equal + int(same.sum()), total + same.numel()
    return Agreement(difference, equal / total, len(images))


def as_input(image: Tensor, interface: Interface) -> Tensor:
    """Images ``(N, 3, H, W)`` uint8 as a file takes them."""
    return image.permute(0, 2, 3, 1).contiguous() if interface.pixels else normalise(image)


def score(run: Runner, interface: Interface, split: Split, classes: int) -> float:
    """MIoU of a file on a split, at the labels' size, in [0, 1]."""
    confusion = torch.zeros(classes, classes, dtype=torch.long)
    for image, label in zip(split.images.split(1), split.labels.split(1), strict=True):
        output = torch.from_numpy(np.array(run(as_input(image, interface).numpy()).output))
        size = label.shape[-2], label.shape[-1]
        if not interface.argmax:
            output = _classes(output, size)
        elif output.shape[-2:] != size:
            output = nn.functional.interpolate(output[None].float(), size=size, mode="nearest-exact")[0]
        confusion += confusion_matrix(output, label, classes)
    return mean_iou(confusion)


def _classes(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return (logits if logits.shape[-2:] == size else upsample(logits, size)).argmax(1)
