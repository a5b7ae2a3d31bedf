"""Small fixtures for all tests."""

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# Files that take minutes, or have one test of about a minute: what begins last is what the other workers wait for in the end.
LONGEST = ("test_killed.py", "test_launch.py", "test_devices.py", "test_compare.py")


def pytest_configure(config: pytest.Config) -> None:
    """NNI asks the system whether its port is free and leaves the socket to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")
    # A shell's background job ignores Ctrl+C, and so would the commands that tests interrupt.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
