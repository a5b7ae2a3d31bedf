"""Lines about a data set: each one told once where a run asks for it."""

import pytest

from experiments.runs.telling import tell, told_once


def test_a_line_is_told_once_inside_and_every_time_outside(capsys: pytest.CaptureFixture[str]) -> None:
    tell(["a"])
    with told_once():
        tell(["a", "b"])
        tell(["a", "b", "c"])
    tell(["a"])
    assert capsys.readouterr().err == "a\na\nb\nc\na\n"


def test_two_runs_tell_each_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), told_once():
            tell(["a"])
            raise KeyError
    assert capsys.readouterr().err == "a\na\n"
