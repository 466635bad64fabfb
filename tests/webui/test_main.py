"""The command: what it takes, and what it says where it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from fusion_bench.webui import main as command


def start(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["fusion_bench_webui", *arguments])
    command.main()


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    with pytest.raises(
        SystemExit, match=r"^error: the page needs NiceGUI and griffelib: pip install 'fusion_bench\[webui\]'$"
    ):
        start(monkeypatch)


def test_a_configuration_directory_must_be_there(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match=r"error: no configuration directory .*/nothing"):
        start(monkeypatch, "--config-dir", str(tmp_path / "nothing"))


@pytest.mark.parametrize("port", ["http", "-1", "70000"])
def test_a_port_is_a_number(monkeypatch, capsys, port):
    with pytest.raises(SystemExit):
        start(monkeypatch, f"--port={port}")
    assert f"a port is a number from 0 to 65535, got '{port}'" in capsys.readouterr().err


def test_a_port_in_use_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ["--port", port, "--no-browser", "--output", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-m", "fusion_bench.webui.main", *arguments], capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == f"error: cannot listen on port {port}: Address already in use; choose another with --port\n"


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv = ['x', '--help']\nfrom fusion_bench.webui.main import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print([name for name in ('torch', 'nicegui', 'hydra') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[0].startswith("usage: fusion_bench_webui [-h] [--port PORT] [--output DIR]")
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


STARTED = """
import socket, sys
from pathlib import Path
from fusion_bench.webui import desk, job, server
from fusion_bench.webui.main import HOST

def started(self, *arguments):
    plain(self, *arguments)
    self.runner = job.Runner([sys.executable, "-c", "import time; time.sleep(60)"])
    print(self.runner.start([], Path("x"))._process.pid, flush=True)

plain, desk.Desk.__init__ = desk.Desk.__init__, started
server.serve(socket.create_server((HOST, 0)), ".", None, open_browser=False)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="asks /proc about processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_told_to_end_stops_its_run(number, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    server = subprocess.Popen(
        [sys.executable, "-c", STARTED],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    run = int(server.stdout.readline())
    assert server.stdout.readline().startswith("fusion_bench_webui: http://127.0.0.1:")
    time.sleep(0.5)
    server.send_signal(number)
    _, complaints = server.communicate(timeout=60)
    assert complaints == ""
    assert server.returncode == (0 if number == signal.SIGINT else -signal.SIGTERM)
    assert not os.path.exists(f"/proc/{run}")
