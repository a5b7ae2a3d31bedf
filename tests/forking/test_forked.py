"""A forked process is as one that was started: tests rely on it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from forked import ForkServer

pytestmark = pytest.mark.slow
TOLD = """
import os, subprocess, sys
print(__name__, sys.argv[1:], os.getcwd(), os.environ["WORD"], os.getppid(), "torch" in sys.modules, sys.stdin.read())
print(os.getsid(0) == os.getpid(), file=sys.stderr)
if "parent" in sys.argv:
    words = [sys.executable, __file__, "child"]
    print(subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout, os.getpid())
sys.exit(7)
"""
WAITS = """
import signal, time
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    raise SystemExit(130)
"""


def test_streams_folder_environment_and_exit_code(forked: ForkServer, tmp_path: Path) -> None:
    script = tmp_path / "told.py"
    script.write_text(TOLD)
    with forked(spares=1):
        process = subprocess.Popen(
            [sys.executable, str(script), "parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "WORD": "yes"},
            text=True,
            start_new_session=True,
        )
    out, err = process.communicate("told")
    assert process.returncode == 7, err
    assert out.splitlines() == [
        f"__main__ ['parent'] {tmp_path} yes {os.getpid()} True told",
        f"__main__ ['child'] {tmp_path} yes {process.pid} True ",
        f" {process.pid}",
    ]
    assert err.splitlines() == ["True", "False"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 130)])
@pytest.mark.parametrize("is_relayed", [False, True])
def test_signals(number: int, code: int, is_relayed: bool, forked: ForkServer, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITS]
    if is_relayed:
        program = tmp_path / "ssr-nas"
        program.write_text(WAITS)
        command = [str(forked.program(tmp_path / "bin", program) / "ssr-nas")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    else:
        with forked():
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait(60) == code
    assert process.stdout.read() == ""  # nobody holds the stream any more
    process.stdout.close()
