"""Small fixtures for all tests."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from fork_server import ONE_PIXEL
from forked import ForkServer

# Before NumPy is loaded, also by child processes: the threads of its small products wait for each other, busily, and
# several workers have more of them than there are cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Files that take minutes: what begins last is what the other workers wait for in the end. Those of NNI's manager wait
# more than they compute, and others compute meanwhile.
LONGEST = (
    *("test_launch_goes_on.py", "test_remote.py", "test_devices.py", "test_launch.py", "test_compare.py"),
    *("test_hub.py", "test_killed.py", "test_web_ui.py"),
)


def pytest_configure(config: pytest.Config) -> None:
    """NNI asks the system whether its port is free and leaves the socket to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")
    # A shell's background job ignores Ctrl+C, and so would the commands that tests interrupt.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """``-m slow`` imports only the files that have such tests: the others cost each worker more than some tests."""
    if config.getoption("markexpr") == "slow" and collection_path.match("test_*.py"):
        return "mark.slow" not in collection_path.read_text(encoding="utf-8") or None
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, then those of most tests; pytest-xdist's own order knows only the numbers of tests.

    Last, when what ``-m`` and ``-k`` leave out is gone. A file stays together, its tests in their order.
    """
    tests, first = Counter(item.path for item in items), {}
    for item in items:
        first.setdefault(item.path, len(first))
    longest = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (longest.get(item.path.name, len(longest)), -tests[item.path], first[item.path]))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Before any fixture of a module runs a search: sums over several threads differ in their last bits."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def repeatable() -> Iterator[None]:
    """Every test starts from the same random state and runs on one thread."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1234)
    yield


@pytest.fixture(autouse=True, scope="session")
def drawing() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Figures stay blank, for they take longer than a small search; within ``with drawing():`` they are drawn."""
    from matplotlib.figure import Figure

    from experiments.report import choices, figures, gallery

    real = {(module, name): vars(module)[name] for module in (choices, figures, gallery) for name in vars(module)}
    real = {place: draw for place, draw in real.items() if place[1].endswith("_figure")}

    def blank(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Figure, "savefig", lambda _, file, **__: file.write(ONE_PIXEL))
        for (module, name), draw in real.items():
            setattr(module, name, draw)  # a test may have left another one there
            patch.setattr(module, name, lambda *_, **__: Figure())

    with pytest.MonkeyPatch.context() as patch:

        @contextmanager
        def drawn() -> Iterator[None]:
            patch.undo()
            try:
                yield
            finally:
                blank(patch)

        blank(patch)
        yield drawn


@pytest.fixture
def real_figures(drawing: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """For tests that look at what is drawn."""
    with drawing():
        yield


@pytest.fixture(autouse=True, scope="session")
def scenes_once() -> Iterator[None]:
    """A generated street scene is always the same: the many small searches share those that one has drawn."""
    from experiments.data.streets import scenes

    drawn = lru_cache(maxsize=1000)(scenes.render_scene)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "render_scene", lambda *scene: tuple(part.copy() for part in drawn(*scene)))
        yield


@pytest.fixture(autouse=True, scope="session")
def disk_at_once() -> Iterator[None]:
    """No test cuts the power, so none waits for the disk: the thousands of checkpoints would cost minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def forked() -> Iterator[ForkServer]:
    """Python programs that are started within ``with forked():`` are forked from one that has loaded the libraries."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture
def tiny() -> Callable[..., Any]:
    """A space for tests: few channels, stages with different numbers of depths; ``tiny(search, **changes)``."""
    from nas_space.config import DIMENSIONS, SpaceConfig

    def make(search: tuple[str, ...] = DIMENSIONS, **changes: Any) -> SpaceConfig:
        values: dict[str, Any] = {
            "stem": 4,
            "widths": (8, 12),
            "depths": ((1, 2, 3), (1, 3)),
            "dilations": (1, 2, 4),
            "poolings": (1, 2),
            "span": 4,
            "step": 2,
        }
        return SpaceConfig(**{**values, **changes}, search=search)

    return make


@pytest.fixture
def deep(tiny: Callable[..., Any]) -> Callable[..., Any]:
    """``deep(stages, search)``: 3 or 4 tiny stages with 2, 5, 1 and 3 widths, unequal spans and steps."""
    from nas_space.config import DIMENSIONS

    def make(stages: int, search: tuple[str, ...] = DIMENSIONS, **changes: Any) -> Any:
        values: dict[str, Any] = {
            "widths": (8, 12, 16, 21),
            "depths": ((1, 2), (1, 2, 3), (1, 2), (1, 2)),
            "span": (2, 8, 0, 6),
            "step": (2, 2, 4, 3),
        }
        return tiny(search, **{**{key: value[:stages] for key, value in values.items()}, **changes})

    return make


def learned(network: Any) -> Any:
    """Random weights, with batch norms that fit them. Some scales are negative; an image has several classes."""
    import torch
    from torch import nn

    with torch.no_grad():
        norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.weight[::5] *= -1
            norm.bias.normal_(std=0.3)
            norm.momentum = None  # the mean over all batches
        network.train()(torch.empty(8, 3, 64, 96).uniform_(-2, 2))
        network.eval()
        classifier = network.head if isinstance(network.head, nn.Conv2d) else network.head.classifier
        assert isinstance(classifier, nn.Conv2d)
        classifier.weight.mul_(4)
        image = torch.empty(1, 3, 64, 96).uniform_(-2, 2)
        classifier.bias.sub_(network(image).mean((0, 2, 3)))
        assert len(network(image).argmax(1).unique()) > 2
    return network


@pytest.fixture
def network(tiny: Callable[..., Any]) -> Callable[..., Any]:
    """``network(seed, head)``: a random network of the tiny space, with 5 classes."""

    def make(seed: int = 0, head: Any = "encoder") -> Any:
        from nas_space.architecture import Architecture
        from nas_space.network import SegmentationNetwork

        return learned(SegmentationNetwork(Architecture.random(tiny(), random.Random(seed)), 5, head))

    return make


@pytest.fixture(scope="session")
def randomised() -> Callable[[Any], Any]:
    """``learned`` for networks of any space."""
    return learned
