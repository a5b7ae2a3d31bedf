"""Where the manager listens: the preload in NNI's own Node, and everything refused before it starts."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nni_node
import psutil
import pytest

from experiments.nni_manager.start import addresses, check_ports, manager_environment, start_manager
from nas_space.errors import InputError

NODE = Path(nni_node.__path__[0]) / "node"
# Servers as NNI's two REST servers and ssh2 start them, and what they tell a child process.
SERVERS = """
const http = require('http'), net = require('net'), fs = require('fs'), { spawn } = require('child_process');
const answer = (request, response) => response.end('hello');
const servers = [http.createServer(answer), http.createServer(answer), net.createServer(), net.createServer()];
let waiting = servers.length;
const ready = () => {
    if (--waiting) return;
    const env = { ...process.env, PATH: process.argv[4] };
    const child = spawn('tensorboard', ['--bind_all --logdir_spec=0-a:b', '--port=1'], { env });
    let out = '';
    child.stdout.on('data', (data) => out += data);
    child.on('close', () => {
        const addresses = servers.map((server) => server.address());
        console.log(JSON.stringify({ addresses, child: out.trim().split('|') }));
        process.stdin.resume().on('end', () => servers.forEach((server) => server.close()));
    });
};
servers[0].listen(Number(process.argv[2]), ready);
servers[1].listen(0, '0.0.0.0').on('listening', ready);
servers[2].listen({ port: 0, host: '::' }, ready);
servers[3].listen(process.argv[3], ready);
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def outside() -> list[str]:
    """Addresses of this machine that others reach, IPv4 and IPv6."""
    found = [
        address.address
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family in (2, 10)
    ]
    return [address for address in found if not address.startswith("127.") and address != "::1"]


def answers(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(60)
        try:
            probe.connect(socket.getaddrinfo(address, port, family, socket.SOCK_STREAM)[0][4])
            probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return b"hello" in probe.recv(4096)
        except OSError:
            return False


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "own"])
def test_servers_of_every_form_listen_there_alone(host: str, tmp_path: Path) -> None:
    own = next(iter(outside()), None)
    if host == "own" and own is None:
        pytest.skip("this machine has no address but the loopback one")
    hosts = addresses(str(own) if host == "own" else host)
    (tmp_path / "tensorboard").write_text('#!/bin/sh\necho "$1|$2|${NODE_OPTIONS}${SSR_NAS_LISTEN}"\n')
    (tmp_path / "tensorboard").chmod(0o755)
    (tmp_path / "servers.js").write_text(SERVERS)
    port = free_port()
    with manager_environment(hosts):
        command = [str(NODE), str(tmp_path / "servers.js"), str(port), str(tmp_path / "socket"), f"{tmp_path}:/bin"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        check_servers(process, port, hosts, tmp_path)


def check_servers(process: "subprocess.Popen[str]", port: int, hosts: list[str], tmp_path: Path) -> None:
    assert process.stdin is not None and process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert [address["address"] for address in told["addresses"][:3]] == [hosts[0]] * 3
    assert told["addresses"][3] == str(tmp_path / "socket")
    assert told["child"] == [f"--host={hosts[0]} --logdir_spec=0-a:b", "--port=1", ""]
    reached = {address for address in outside() if answers(address, port)}
    assert answers("127.0.0.1", port)
    every = {"0.0.0.0": {a for a in outside() if ":" not in a}, "::": set(outside()), "127.0.0.1": set()}
    assert reached == every.get(hosts[-1], {hosts[-1]})
    process.stdin.close()  # all of them close again
    assert process.wait(60) == 0


def test_a_tuner_ends_with_its_manager(tmp_path: Path) -> None:
    (tmp_path / "manager.js").write_text(
        "const { spawn } = require('child_process');"
        "const child = spawn(process.argv[2], ['-m', 'nni', '--exp_params', 'x'], { stdio: 'inherit' });"
        "console.log(child.spawnargs[2], child.pid); setInterval(() => {}, 1000);"
    )
    script = (
        "#!/bin/sh\n"
        + f'exec {sys.executable} -c "import os; from experiments.nni_manager.tethered import end_with, MANAGER;'
    )
    script += ' end_with(int(os.environ[MANAGER])); import time; print(1, flush=True); time.sleep(3600)"\n'
    (tmp_path / "python").write_text(script)
    (tmp_path / "python").chmod(0o755)
    with manager_environment(["127.0.0.1"]):
        manager = subprocess.Popen(
            [str(NODE), str(tmp_path / "manager.js"), str(tmp_path / "python")], stdout=subprocess.PIPE, text=True
        )
    with manager:
        assert manager.stdout is not None
        module, number = manager.stdout.readline().split()
        assert module == "experiments.nni_manager.tethered"
        assert manager.stdout.readline() == "1\n"
        tuner = psutil.Process(int(number))
        manager.kill()
        manager.wait()
        tuner.wait(60)


@pytest.mark.parametrize("is_reaped", [True, False])
def test_a_manager_and_its_trials_end_with_their_owner(tmp_path: Path, is_reaped: bool) -> None:
    """Also where nobody waits for the owner, as in a container whose first process reaps none."""
    code = "const child = require('child_process').spawn('sleep', ['3600']); console.log(child.pid);"
    (tmp_path / "manager.js").write_text(code + "setInterval(() => {}, 1000);")
    owner = subprocess.Popen(["sleep", "3600"])
    with manager_environment(["127.0.0.1"], owner.pid):
        command = [str(NODE), str(tmp_path / "manager.js")]
        manager = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with manager:
        assert manager.stdout is not None
        trial = psutil.Process(int(manager.stdout.readline()))
        with pytest.raises(subprocess.TimeoutExpired):
            manager.wait(1.5)
        owner.kill()
        if is_reaped:
            owner.wait()
        assert manager.wait(60) == -signal.SIGKILL
        trial.wait(60)
    owner.wait()


def test_without_the_preload_everybody_is_answered(tmp_path: Path) -> None:
    if not outside():
        pytest.skip("this machine has no address but the loopback one")
    code = "require('http').createServer((q, r) => r.end('hello')).listen(+process.argv[2], () => console.log())"
    (tmp_path / "server.js").write_text(code)
    port = free_port()
    with subprocess.Popen([str(NODE), str(tmp_path / "server.js"), str(port)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert all(answers(address, port) for address in outside())
        process.kill()


def test_a_folder_with_odd_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / 'a "b" \\c d'
    odd.mkdir()
    (odd / "loopback.cjs").write_text("console.log('loaded')")
    monkeypatch.setattr("experiments.nni_manager.start.PRELOAD", odd / "loopback.cjs")
    with manager_environment(["127.0.0.1"]):
        assert subprocess.run([str(NODE), "-e", ""], capture_output=True, text=True).stdout == "loaded\n"


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--trace-uncaught")
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.delenv("SSR_NAS_LISTEN", raising=False)
    before = dict(os.environ)
    with manager_environment(["127.0.0.1"]):
        assert os.environ["NO_PROXY"] == "example.com,localhost,127.0.0.1,::1"
        assert os.environ["NODE_OPTIONS"].startswith("--trace-uncaught --require ")
    assert dict(os.environ) == before


def test_addresses() -> None:
    assert addresses("localhost") == addresses("127.0.0.1") == ["127.0.0.1"]
    assert addresses("0.0.0.0") == ["0.0.0.0"] and addresses("::") == ["::"]
    assert addresses("192.0.2.7") == ["127.0.0.1", "192.0.2.7"] and addresses("::1") == ["127.0.0.1", "::1"]
    for wrong in ("example.com", "", "1.2.3", "127.0.0.1;reboot"):
        with pytest.raises(InputError, match="give an IP address"):
            addresses(wrong)


def test_ports() -> None:
    port = free_port()
    check_ports(["127.0.0.1"], port, "local")
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(InputError, match=f"--port {port}: in use on 127.0.0.1; choose another"):
            check_ports(["127.0.0.1"], port, "local")
        with pytest.raises(
            InputError, match=rf"--port {port}: in use on 127.0.0.1 \(NNI's remote service takes the port after"
        ):
            check_ports(["127.0.0.1"], port - 1, "remote")
    for wrong in (80, 70000, -1, 65535):
        with pytest.raises(InputError, match="must be from 1024 to 65534"):
            check_ports(["127.0.0.1"], wrong, "local")
    with pytest.raises(InputError, match="203.0.113.9: not an address of this machine"):
        check_ports(["127.0.0.1", "203.0.113.9"], port, "local")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), RuntimeError("busy")])
def test_a_start_that_comes_to_nothing_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    from nni.experiment import launcher

    def manager(*_: object) -> "subprocess.Popen[str]":
        command = ["sh", "-c", "sleep 3600 & echo $!; wait"]  # and its tuner
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def start(port: int, run_mode: object) -> None:
        process = launcher._start_rest_server(None, run_mode)
        started.extend((psutil.Process(process.pid), psutil.Process(int(process.stdout.readline()))))
        raise error

    started: list[psutil.Process] = []
    monkeypatch.setattr(launcher, "_start_rest_server", manager)
    check = launcher._check_rest_server
    copy = SimpleNamespace(experiment_working_directory=tmp_path)
    experiment = SimpleNamespace(id="x", config=SimpleNamespace(canonical_copy=lambda: copy), start=start)
    with pytest.raises(type(error), match="did not start: busy" if isinstance(error, RuntimeError) else None):
        start_manager(experiment, ["127.0.0.1"], 8080)
    for process in started:
        process.wait(60)
    assert len(started) == 2 and (launcher._check_rest_server, launcher._start_rest_server) == (check, manager)
