import pytest

from experiments.runs.progress import said, status


def test_lines_come_at_most_so_often_and_tell_what_is_left() -> None:
    now, lines = [0.0], list[str]()
    progress = said("latency table", lines.append, seconds=10.0, clock=lambda: now[0])
    for done in range(1, 9):
        now[0] += 4.0
        progress(done, 8)
    assert lines == ["latency table: 3 of 8, about 20 seconds left", "latency table: 6 of 8, about 8.0 seconds left"]


def test_the_present_step_is_told_now_and_then_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with status(seconds=10.0, clock=lambda: now[0]) as tell:
        for step in range(1, 8):
            tell(f"round {step} of 7")
            now[0] += 4.0
    assert capsys.readouterr().err.splitlines() == ["round 1 of 7", "round 4 of 7", "round 7 of 7"]
