"""The command: what it takes, and what it says where it cannot start."""

import socket
import subprocess
import sys

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
