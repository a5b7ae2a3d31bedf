"""The command line: where values come from, and how every failure is told."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from experiments import commands
from experiments.cli import main
from experiments.runs import processes
from experiments.runs.failures import DEBUG
from nas_space.architecture import baseline1
from nas_space.config import SpaceConfig

ROOT = Path(__file__).parents[2]

COMMAND = '''"""Try the command line.

More about it.
"""
from dataclasses import asdict, dataclass, field

from experiments.options.quantity import Quantity
from nas_space.errors import InputError


@dataclass
class Constraint:
    """Bounds.

    Args:
        macs: most multiply-accumulates,
            of one image.
        params: most parameters.
    """

    macs: Quantity | None = None
    params: Quantity | None = None


@dataclass
class Data:
    """Data.

    Args:
        name: which ``data`` set.
        root: its folder.
    """

    name: str = "streets"
    root: str | None = "here"


@dataclass
class Space:
    """Space."""

    preset: str = "compact"
    search: list[str] = field(default_factory=lambda: ["depth", "width"])
    depths: list[list[int]] | None = None


@dataclass
class Options:
    """Options.

    Args:
        epochs: how long.
    """

    data: Data = field(default_factory=Data)
    space: Space = field(default_factory=lambda: Space(preset="paper"))
    constraint: Constraint = field(default_factory=Constraint)
    epochs: int = 20
    lr: float = 0.01
    fail: str | None = None


def run(options):
    print("for people")
    if options.fail:
        exec(options.fail)
    return asdict(options)
'''

DEFAULTS = {
    "data": {"name": "streets", "root": "here"},
    "space": {"preset": "paper", "search": ["depth", "width"], "depths": None},
    "constraint": {"macs": None, "params": None},
    "epochs": 20,
    "lr": 0.01,
    "fail": None,
}


@pytest.fixture(autouse=True)
def trial_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command ``try`` beside the real ones, in a folder of its own."""
    (tmp_path / "try_command.py").write_text(COMMAND)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "try_command", raising=False)
    monkeypatch.setitem(commands.COMMANDS, "try", "try_command")
    monkeypatch.delenv(DEBUG, raising=False)
    monkeypatch.chdir(tmp_path)


def changed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    """The options that differ from the defaults, by dotted key, as the command saw them."""
    assert main(["try", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "" and captured.out.startswith("for people\n")
    result = json.loads(captured.out.splitlines()[-1])

    def flat(options: dict[str, object], prefix: str = "") -> dict[str, object]:
        items: dict[str, object] = {}
        for key, value in options.items():
            items.update(flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
        return items

    defaults = flat(DEFAULTS)
    return {key: value for key, value in flat(result).items() if value != defaults[key]}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a refusal."""
    assert main(["try", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("ssr-nas try: error: ")
    return captured.err.removeprefix("ssr-nas try: error: ").strip()


def test_defaults_come_from_the_dataclass(capsys: pytest.CaptureFixture[str]) -> None:
    assert changed(capsys) == {}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--epochs", "3"], {"epochs": 3}),
        (["--epochs=3", "--epochs=4"], {"epochs": 4}),
        (["--lr", "1e-3"], {"lr": 1e-3}),
        (["--lr", "-1"], {"lr": -1.0}),
        (["--data.name", "1e3"], {"data.name": "1e3"}),
        (["--data.root", "null"], {"data.root": "null"}),
        (["--preset", "compact"], {"space.preset": "compact"}),
        (["--space.search", "dilation,width"], {"space.search": ["dilation", "width"]}),
        (["--space.search", "[dilation, width]"], {"space.search": ["dilation", "width"]}),
        (["--space.search", "depth"], {"space.search": ["depth"]}),
        (["--space.search="], {"space.search": []}),
        (["--space.search", "depth", "--space.search", "pooling"], {"space.search": ["depth", "pooling"]}),
        (["--space.search", "depth", "pooling", "--epochs", "3"], {"space.search": ["depth", "pooling"], "epochs": 3}),
        (
            ["--space.search=[dilation]", "--space.search", "depth,width"],
            {"space.search": ["dilation", "depth", "width"]},
        ),
        (["--space.search", "7,a: b,#c,null"], {"space.search": ["7", "a: b", "#c", "null"]}),
        (["--space.search", '["width", "depth"]'], {"space.search": ["width", "depth"]}),
        (["--space.search", "[]"], {"space.search": []}),
        (["--space.depths", "[[1, 2], [3]]"], {"space.depths": [[1, 2], [3]]}),
        (
            ["--constraint.macs", "7.8G", "--constraint.params", "900K"],
            {"constraint.macs": 7.8e9, "constraint.params": 9e5},
        ),
    ],
)
def test_values_on_the_command_line(
    arguments: list[str], expected: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert changed(capsys, *arguments) == expected


def test_yaml_files_in_order_and_then_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yml").write_text("epochs: 1\nlr: 1e-4\nspace:\n  search: dilation,width\n  depths: [[1], [2, 3]]\ndata:\n")
    Path("b.yml").write_text("epochs: 2\ndata: {root: null, name: '12'}\nconstraint.macs: 2M\n")
    from_files = {
        "lr": 1e-4,
        "space.search": ["dilation", "width"],
        "space.depths": [[1], [2, 3]],
        "data.root": None,
        "data.name": "12",
    }
    expected = {**from_files, "constraint.macs": 2e6}
    assert changed(capsys, "--config", "a.yml", "--config=b.yml") == {**expected, "epochs": 2}
    assert changed(capsys, "--epochs", "3", "--config", "a.yml", "--config", "b.yml") == {**expected, "epochs": 3}


def test_a_run_is_repeated_from_its_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yml").write_text(json.dumps(DEFAULTS | {"epochs": 7}))
    assert changed(capsys, "--config", "config.yml") == {"epochs": 7}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epoch", "3"], "--epoch: unknown key; did you mean --epochs?"),
        (["--name=x"], "--name: unknown key; did you mean --data.name?"),
        (["--zzz", "x"], "--zzz: unknown key; --help lists the keys"),
        (["--data", "x"], "--data: is a group; give its keys, such as --data.name"),
        (["--epochs"], "--epochs: a value is missing"),
        (["--epochs", "--lr", "1"], "--epochs: a value is missing"),
        (["--epochs", "2.5"], "--epochs: expected a whole number, got 2.5"),
        (["--lr", "fast"], "--lr: expected a number, got fast"),
        (
            ["--constraint.macs", "7.8X"],
            "--constraint.macs: expected a positive number such as 900K, 0.9M or 7.8G or null, got 7.8X",
        ),
        (["--space.depths", "1,2"], "--space.depths: expected a list such as [[1, 2], [2, 3]] or null, got 1,2"),
        (["--config", "nowhere.yml"], "--config nowhere.yml: no such file"),
        (["--config", "."], "--config .: cannot be read (Is a directory); give a YAML file"),
        (["surplus"], "surplus: no option and no value of one; write --key value"),
        (["x" * 300], f"{'x' * 300}: no option and no value of one; write --key value"),
        (
            [__file__],
            f"{__file__}: no option and no value of one; write --key value; a file needs its key here as well",
        ),
    ],
)
def test_mistakes_on_the_command_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *arguments) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epoch: 3", "bad.yml: epoch: unknown key; did you mean epochs?"),
        ("data: {nam: x}", "bad.yml: data.nam: unknown key; did you mean data.name?"),
        ("data: streets", "bad.yml: data: is a group; give its keys, such as data.name"),
        ("json: true", "bad.yml: json: unknown key; --help lists the keys"),
        ("epochs: many", "bad.yml: epochs: expected a whole number, got many"),
        ("epochs: null", "bad.yml: epochs: expected a whole number, got null"),
        ("space: {search: [1, 2]}", "bad.yml: space.search: expected a list such as a,b, got [1, 2]"),
        ("space: {search: null}", "bad.yml: space.search: expected a list such as a,b, got null"),
        ("data: {name: [a, b]}", 'bad.yml: data.name: expected text, got ["a", "b"]'),
        ("[1, 2]", "bad.yml: expected keys and values, such as epochs: 20"),
        ("a: [", "bad.yml: not valid YAML"),
        ("!!python/object/apply:os.getcwd []", "bad.yml: not valid YAML"),
        ("epochs: &a [*a]", "bad.yml: not valid YAML: an alias stands inside of what it names"),
        ("data: {name: &a {b: *a}}", "bad.yml: not valid YAML: an alias stands inside of what it names"),
        ("epochs: 3\nepochs: 30", "bad.yml: not valid YAML: epochs is given twice"),
        ("epochs: {2026-01-01: 1}", "bad.yml: epochs: expected a whole number, got {"),
        ('data: {name: "a\\0b"}', "bad.yml: data.name: holds a NUL character; "),
    ],
)
def test_mistakes_in_a_file_name_the_file(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.yml").write_text(content)
    assert refused(capsys, "--config", "bad.yml").startswith(message)


def test_help_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "usage: ssr-nas try",
        "Try the command line.",
        "--data.name",
        "which data set",
        "of one image",
        "short: --preset",
    ):
        assert part in text
    assert "default: paper" in text
    assert "+" not in text


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_overview(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in commands.NAMES:
        assert any(line.startswith(f"  {name} ") and len(line.split()) > 2 for line in lines)


def test_it_draws_without_what_a_notebook_has_set() -> None:
    code = "import sys; sys.argv[1:] = ['--version']; from experiments.cli import main; main()\n"
    code += "import matplotlib; assert matplotlib.get_backend() == 'agg'"
    environment = {**os.environ, "MPLBACKEND": "module://none.backend_inline"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=60)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ssr-nas 0.")


def with_names(declaration: str) -> str:
    """The command with an option ``names``."""
    return COMMAND.replace("    data: Data =", f"    names: {declaration}\n    data: Data =", 1)


def with_positional(declaration: str) -> str:
    """The command with an option ``names`` that needs no key."""
    return with_names(declaration).replace("    names:", '    POSITIONAL = "names"\n    names:', 1)


ODD = [
    "runs/base #2",
    "a: b",
    "7",
    "null",
    "true",
    "1e3",
    "x, y/z",
    " b ",
    "'",
    '"',
    "{",
    "*a",
    "\U0001f600",
    os.fsdecode(b"caf\xe9"),
]


def test_names_of_files_are_taken_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "try_command.py").write_text(
        with_names('list[str] = field(default_factory=list, metadata={"whole": True})')
    )
    Path("a.yml").write_text(yaml.safe_dump({"names": ODD[:9]}))
    Path("b.yml").write_text("names: a, b\n")
    for arguments, names in (
        (["--names", *ODD], ODD),
        ([f"--names={name}" for name in ODD], ODD),
        (["--config", "a.yml"], ODD[:9]),
        (["--config", "b.yml"], ["a, b"]),
        (["--names", "[a, 'b, c', 7]", "d"], ["a", "b, c", "7", "d"]),
        (["--names="], []),
    ):
        assert main(["try", *arguments, "--json"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["names"] == names
    assert refused(capsys, "--names", "[a: b]") == "--names: expected a list such as a,b, got [a: b]"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["a", "b,c"], ["a", "b,c"]),
        (ODD, ODD),
        (["a b", "--epochs", "3", "c"], ["a b", "c"]),
        ([], []),
        (["--names", "a,b"], ["a", "b"]),
    ],
)
def test_values_without_a_key(
    arguments: list[str], names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "try_command.py").write_text(with_positional("list[str] = field(default_factory=list)"))
    assert main(["try", *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["names"] == names


def test_one_value_without_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "try_command.py").write_text(with_positional("str"))
    assert main(["try", "null", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["names"] == "null"
    assert refused(capsys, "a", "b") == "b: only one names is taken"
    assert refused(capsys) == "NAMES is missing"


def test_a_command_of_two_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(commands.COMMANDS, "try hard", "try_command")
    assert main(["try", "hard", "--epochs", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["epochs"] == 3
    assert main(["try", "hrad"]) == 2
    assert main(["try", "something", "else"]) == 2
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == "ssr-nas try: error: something: unknown; choose from try hard, or give --key value"
    )
    assert main(["tri", "hrad"]) == 2
    assert "did you mean try hard?" in capsys.readouterr().err.splitlines()[-1]


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serach"]) == 2
    assert capsys.readouterr().err == "ssr-nas: error: serach: unknown command; did you mean search?\n"


@pytest.mark.parametrize(
    ("statement", "code", "message"),
    [
        ("raise InputError('the root: is missing;\\n give another')", 2, "error: the root: is missing; give another"),
        ("1 / 0", 1, "error: ZeroDivisionError: division by zero (set SSR_NAS_DEBUG=1 for the traceback)"),
        (
            f"raise OSError({errno.ENOSPC}, 'No space', 'x.ckpt')",
            2,
            "error: the disk is full while writing x.ckpt; make room, or ",
        ),
        ("raise KeyboardInterrupt", 130, "interrupted; give the command again"),
        (
            "raise KeyboardInterrupt('go on with: ssr-nas search --resume runs/a')",
            130,
            "interrupted; go on with: ssr-nas search --resume",
        ),
        ("import signal\nsignal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)", 143, "terminated; "),
        (
            "import signal\ntry:\n signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)\n"
            "except KeyboardInterrupt:\n raise KeyboardInterrupt('what is done is in x') from None",
            143,
            "terminated; what is done is in x",
        ),
        ("try:\n raise KeyboardInterrupt\nexcept KeyboardInterrupt:\n raise SystemExit(1)", 130, "interrupted; "),
        ("raise PermissionError(13, 'Permission denied', 'x')", 2, "error: x: Permission denied; "),
        ("import os\nopen('figures', 'w').close()\nos.mkdir('figures')", 2, "error: figures: File exists; "),
        ("import os\nos.symlink('loop', 'loop')\nopen('loop')", 2, "error: loop: Too many levels of symbolic links; "),
        ("raise IsADirectoryError(21, 'Is a directory', '.x.tmp', None, 'x')", 2, "error: x: Is a directory; "),
        ("raise PermissionError(13, 'No', 'a b/.x.json.0123456789abcdef.tmp')", 2, "error: a b/x.json: No; "),
        (
            "raise OSError(28, 'No', '.x y.md.0123456789abcdef.tmp')",
            2,
            "error: the disk is full while writing x y.md; ",
        ),
        (
            "raise OSError(28, 'No', 'a/.m.onnx.2cudof2g.tmp/m.onnx')",
            2,
            "error: the disk is full while writing a/m.onnx; ",
        ),
    ],
)
def test_failures_are_one_line(statement: str, code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "--fail", statement]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(f"ssr-nas try: {message}")


SIGNALS = [
    (signal.SIGINT, 130, "interrupted"),
    (signal.SIGTERM, 143, "terminated"),
    (signal.SIGHUP, 130, "interrupted"),
]
PROGRAM = (
    "from experiments import cli, commands; commands.COMMANDS['try'] = 'try_command'; raise SystemExit(cli.main())"
)


def child(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Python with the modules in ``folder`` before all others; it hears signals that these tests may ignore."""

    def hear() -> None:
        for number, _, _ in SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear,
    )


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_a_signal_is_told_by_every_command(number: int, code: int, word: str, tmp_path: Path) -> None:
    """Outside of training too, where nothing but the command line listens to it."""
    wait = "import sys, time; print('ready', file=sys.stderr, flush=True); time.sleep(60)"
    with child(tmp_path, "-c", PROGRAM, "try", "--fail", wait) as process:
        assert process.stderr is not None and process.stderr.readline() == "ready\n"
        process.send_signal(number)
        assert process.stderr.read() == f"ssr-nas try: {word}; give the command again\n"
    assert process.returncode == code


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_a_signal_while_something_is_imported_is_not_lost(number: int, code: int, word: str, tmp_path: Path) -> None:
    """Imported code may catch whatever is raised, as parts of torch and numpy do."""
    sent = f"import signal\ntry:\n signal.raise_signal({int(number)})\n loaded = True\n"
    (tmp_path / "swallows.py").write_text(sent + "except BaseException:\n loaded = False\n")
    told = "import swallows, sys, time\nprint(swallows.loaded, file=sys.stderr)\ntime.sleep(60)"
    with child(tmp_path, "-c", PROGRAM, "try", "--fail", told) as process:
        assert process.communicate()[1] == f"True\nssr-nas try: {word}; give the command again\n"
    assert process.returncode == code


def test_an_import_that_takes_very_long_is_interrupted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "LONGEST_IMPORT", -1.0)
    (tmp_path / "hangs.py").write_text(
        "import signal, sys\nsignal.getsignal(signal.SIGINT)(signal.SIGINT, sys._getframe())\n"
    )
    assert main(["try", "--fail", "import hangs"]) == 130


@pytest.mark.parametrize("start", ["module", "script"])
@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_a_signal_before_the_command_is_one_line(number: int, code: int, word: str, start: str, tmp_path: Path) -> None:
    """The command line itself is still being imported, by code that catches whatever is raised."""
    (tmp_path / "difflib.py").write_text(
        f"import signal\ntry:\n signal.raise_signal({int(number)})\nexcept BaseException:\n pass\n"
    )
    script = "import sys; from experiments.cli import main; sys.exit(main())"  # as pip writes it
    with child(tmp_path, *(("-m", "experiments.cli") if start == "module" else ("-c", script)), "--version") as process:
        out, error = process.communicate()
    assert (process.returncode, out, error.count("\n")) == (code, "", 1)
    assert error.startswith(f"ssr-nas: {word}; ")


@pytest.mark.parametrize(
    ("name", "hint"), [("search", "give the command again"), ("compare", "what is missing"), ("export", "again")]
)
def test_an_interrupt_says_how_this_command_goes_on(
    name: str, hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(commands.COMMANDS, name, "try_command")
    assert main([name, "--fail", "raise KeyboardInterrupt"]) == 130
    line = capsys.readouterr().err
    assert line.startswith(f"ssr-nas {name}: interrupted; ") and hint in line and "--resume" not in line


def test_a_termination_that_the_caller_ignores_stays_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert main(["try", "--fail", "import signal\nsignal.raise_signal(signal.SIGTERM)"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_forked_worker_ends_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    fork = "import os, signal, time\npid = os.fork()\nif not pid: time.sleep(60)\n"
    end = "time.sleep(0.1); os.kill(pid, signal.SIGTERM)\nassert os.waitpid(pid, 0)[1] == signal.SIGTERM"
    assert main(["try", "--fail", fork + end]) == 0 and not capsys.readouterr().err


def test_a_long_value_leaves_the_line_readable(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "--epochs", "9" * 5000)
    assert line.startswith("--epochs: expected a whole number, got 999") and " [...] 999" in line and len(line) < 1700


@pytest.mark.parametrize("arguments", [["--config", "/dev/zero"], ["--arch", "/dev/zero"]])
def test_a_file_without_end_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space", *arguments]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "/dev/zero: cannot be read" in line and "larger than 32 MiB" in line


def test_traceback_on_demand(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(DEBUG, "1")
    assert main(["try", "--fail", "1 / 0"]) == 1
    assert "Traceback" in capsys.readouterr().err


def ssr_nas(arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a shell, as a user starts it."""
    command = f"{sys.executable} -m experiments.cli {arguments}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


@pytest.mark.parametrize("reader", ["true", "head -n 1"])
def test_reader_that_goes_away_is_harmless(reader: str) -> None:
    result = ssr_nas(f"space --json | {reader}; exit ${{PIPESTATUS[0]}}")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_under_standard_output() -> None:
    result = ssr_nas("space > /dev/full")
    assert result.returncode == 2
    assert result.stderr.splitlines()[0].startswith("ssr-nas space: error: the disk is full")


def test_closed_standard_output_is_harmless() -> None:
    assert ssr_nas("space >&-").returncode == 0


def test_output_survives_a_narrow_encoding() -> None:
    assert ssr_nas("space", PYTHONIOENCODING="ascii").returncode == 0


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_output_names_files_of_all_kinds(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9 \xe6\x97\xa5.json")
    path.write_text(baseline1(SpaceConfig.compact()).to_json())
    result = ssr_nas(f"cost {shlex.quote(str(path))} --fps false --sizes 64x64", PYTHONIOENCODING=encoding)
    assert (result.returncode, result.stderr) == (0, "") and "caf\\\\udce9 " in result.stdout
