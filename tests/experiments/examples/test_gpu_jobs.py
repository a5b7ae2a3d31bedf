"""The jobs for a lent GPU: their commands are ones that exist, they wait for each other, and a cut run goes on."""

import importlib
import sys
from pathlib import Path

import pytest

from experiments.commands import COMMANDS
from experiments.examples import gpu_jobs
from experiments.options.arguments import parse
from nas_space.errors import InputError

FOLDER = Path(__file__).parents[3] / "experiments" / "configs" / "gpu"


@pytest.mark.parametrize("rehearse", [False, True])
def test_every_command_is_understood(rehearse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER.parents[2])
    jobs, more = gpu_jobs.read_jobs(FOLDER / "jobs.yml", "camvid", Path("runs"), "cpu")
    for job in jobs.values():
        words = [*job.command, *(f"{more[job.command[0]]} {job.rehearsal}".split() if rehearse else [])]
        count = 2 if " ".join(words[:2]) in COMMANDS else 1
        module = importlib.import_module(COMMANDS[" ".join(words[:count])])
        parse("ssr-nas", "", module.Options, words[count:])


def test_whose_weights_come_back_is_said(tmp_path: Path) -> None:
    jobs, _ = gpu_jobs.read_jobs(FOLDER / "jobs.yml", "camvid", Path("runs"), "cpu")
    assert {name for name, job in jobs.items() if job.weights} == {"full_default", "full_target", "full_pyramid"}
    for job, problem in (("{run: search, wieghts: true}", "mine has the key 'wieghts'"), ("{}", "mine has no run")):
        (tmp_path / "jobs.yml").write_text(f"rehearsal: {{}}\njobs: {{mine: {job}}}\n")
        with pytest.raises(InputError, match=problem):
            gpu_jobs.read_jobs(tmp_path / "jobs.yml", "camvid", Path("runs"), "cpu")


def test_each_waits_for_those_that_it_reads() -> None:
    jobs, _ = gpu_jobs.read_jobs(FOLDER / "jobs.yml", "camvid", Path("runs"), "cpu")
    before: set[str] = set()
    for name, job in jobs.items():
        assert set(job.needs) <= before, name
        before.add(name)
    assert jobs["encoder_target_1"].needs == ["search_target_0"] and jobs["speed"].alone


def test_a_cut_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call is over at once; the second one continues what has begun, and what fails stops nothing else."""
    told = tmp_path / "told"
    command = f"import sys; open({str(told)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))"
    program = tmp_path / "program"
    program.write_text(
        f"#!{sys.executable}\n{command}\n"
        "from pathlib import Path\n"
        "words = sys.argv[3:]\n"
        "folder = Path(words[-1])\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        "(folder / 'config.yml').touch()\n"
        "if '--resume' in words: (folder / f'{words[0]}.json').touch()\n"
        "elif 'slow' in words: __import__('time').sleep(60)\n"
        "else: sys.exit(1)\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(gpu_jobs.sys, "executable", str(program))
    runs = tmp_path / "runs"
    runs.mkdir()

    def jobs() -> dict[str, object]:
        listed = {"first": ["search", "slow"], "second": ["retrain", str(runs / "first")], "bad": ["search"]}
        return {
            name: gpu_jobs.Job(name, words, ["first"] if name == "second" else []) for name, words in listed.items()
        }

    begun = jobs()
    gpu_jobs.run(begun, runs, 2, 1.5, {})
    assert begun["bad"].failed and not begun["first"].failed and not (runs / "second").exists()  # type: ignore[attr-defined]
    again = jobs()
    gpu_jobs.run(again, runs, 2, 10.0, {})
    lines = told.read_text().splitlines()
    assert (
        f"-m experiments.cli search --resume {runs / 'first'}" in lines and (runs / "first" / "search.json").is_file()
    )
    assert again["second"].failed and again["bad"].done(runs)  # type: ignore[attr-defined]
    for name in ("first", "bad"):
        (runs / name / "model.safetensors").touch()
    again["bad"].weights = True  # type: ignore[attr-defined]
    gpu_jobs.collect(again, runs, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"runs.tar.gz", "bad.safetensors"}


def test_a_job_alone_waits_and_is_waited_for() -> None:
    first, alone, last = (gpu_jobs.Job(name, ["search"], [], alone=name == "alone") for name in ("a", "alone", "b"))
    assert gpu_jobs._next([], [first, alone, last], 3) == [first]
    assert gpu_jobs._next([first], [alone, last], 3) == []
    assert gpu_jobs._next([], [alone, last], 3) == [alone]
    assert gpu_jobs._next([alone], [last], 3) == []
    assert gpu_jobs._next([first], [last], 1) == []
