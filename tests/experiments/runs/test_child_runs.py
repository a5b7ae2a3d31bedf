"""Commands in child processes."""

from pathlib import Path

from experiments.runs.child_runs import ChildRun, run_children


def test_failures_have_the_code_and_the_line_of_their_process(tmp_path: Path) -> None:
    (tmp_path / "done").write_text("")
    runs = [
        ChildRun(("search", "--strategy", "nothing"), tmp_path / "run" / "search.json"),
        ChildRun(("nothing",), tmp_path / "done"),
    ]
    (failure,) = run_children(runs, 1, "searches")
    assert failure.code == 2 and failure.line.startswith(
        "search run: ssr-nas search: error: strategy: unknown 'nothing'"
    )
