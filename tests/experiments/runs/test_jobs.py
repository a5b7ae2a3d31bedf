"""Commands in child processes."""

from pathlib import Path

from experiments.runs.jobs import Job, run_jobs


def test_failures_have_the_code_and_the_line_of_their_process(tmp_path: Path) -> None:
    (tmp_path / "done").write_text("")
    jobs = [
        Job(("search", "--strategy", "nothing"), tmp_path / "run" / "search.json"),
        Job(("nothing",), tmp_path / "done"),
    ]
    (failure,) = run_jobs(jobs, 1, "searches")
    assert failure.code == 2 and failure.line.startswith(
        "search run: ssr-nas search: error: strategy: unknown 'nothing'"
    )
