from experiments.runs.progress import said


def test_lines_come_at_most_so_often_and_tell_what_is_left() -> None:
    now, lines = [0.0], list[str]()
    progress = said("latency table", lines.append, seconds=10.0, clock=lambda: now[0])
    for done in range(1, 9):
        now[0] += 4.0
        progress(done, 8)
    assert lines == ["latency table: 3 of 8, about 20 seconds left", "latency table: 6 of 8, about 8.0 seconds left"]
