"""What fails beside a result is told in one line."""

import pytest

from experiments.runs.decoration import decoration


@pytest.mark.parametrize("error", [ValueError("two\nlines"), OSError(28, "No space left on device"), MemoryError()])
def test_an_error_is_told_in_one_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with decoration("the figure a\udce9.png"):
        raise error
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: the figure a\\udce9.png could not be written") and type(error).__name__ in line


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupt_goes_through(error: BaseException) -> None:
    with pytest.raises(type(error)), decoration("a figure"):
        raise error
