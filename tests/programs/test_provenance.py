"""The record of how a run came about."""

import getpass
import json
import platform
import socket
from datetime import datetime, timezone
from pathlib import Path

import pytest
import torch

from fusion_bench.programs import provenance
from fusion_bench.programs.provenance import command_line, record_times, recorded_session, versions


def sessions(directory):
    return json.loads((directory / "provenance.json").read_text())["sessions"]


def test_a_session_is_recorded_from_its_start_to_its_end(tmp_path):
    before = datetime.now(tz=timezone.utc).replace(microsecond=0)
    with recorded_session(tmp_path, ["fusion_bench", "method=dummy"]):
        (running,) = sessions(tmp_path)
        assert (running["status"], running["end"]) == ("running", None)
        record_times(tmp_path, {"merging": 1.23456}, torch.device("cpu"))
    (session,) = sessions(tmp_path)
    assert (session["status"], session["device"]) == ("finished", "cpu")
    assert session["seconds"] == {"merging": 1.235}
    assert session["command"] == "fusion_bench method=dummy"
    assert before <= datetime.fromisoformat(session["start"]) <= datetime.fromisoformat(session["end"])
    assert session["versions"]["python"] == platform.python_version()
    assert session["versions"]["torch"] == torch.__version__
    assert session["hardware"]["cores"] >= 1


@pytest.mark.parametrize(("error", "status"), [(OSError("full"), "failed"), (KeyboardInterrupt(), "interrupted")])
def test_a_resumed_run_adds_a_session_to_the_one_that_ended_early(tmp_path, error, status):
    with pytest.raises(type(error)), recorded_session(tmp_path, ["fusion_bench"]):
        raise error
    with recorded_session(tmp_path, ["fusion_bench", "resume=true"]):
        pass
    assert [session["status"] for session in sessions(tmp_path)] == [status, "finished"]
    assert sessions(tmp_path)[1]["command"] == "fusion_bench resume=true"


def test_a_full_disk_at_the_end_does_not_hide_the_error(tmp_path, monkeypatch, caplog):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    def fail():
        monkeypatch.setattr(provenance, "write_json", full)
        raise ValueError("the error")

    with pytest.raises(ValueError, match="the error"), recorded_session(tmp_path, ["fusion_bench"]):
        fail()
    assert "lacks the end of this session" in caplog.text


@pytest.mark.parametrize("content", ["", "[1]", '{"sessions": 3}'])
def test_a_damaged_file_is_begun_anew(tmp_path, content):
    (tmp_path / "provenance.json").write_text(content)
    with recorded_session(tmp_path, ["fusion_bench"]):
        pass
    assert [session["status"] for session in sessions(tmp_path)] == ["finished"]


def test_neither_user_nor_host_nor_place_of_the_program_is_recorded(tmp_path, monkeypatch):
    home = tmp_path / f"home/{getpass.getuser()}-at-home"
    monkeypatch.setenv("HOME", str(home))
    arguments = [f"{home}/.venv/bin/fusion_bench", f"path.output_dir={home}/out", "method=a b"]
    assert command_line(arguments) == "fusion_bench 'path.output_dir=~/out' 'method=a b'"
    with recorded_session(tmp_path, arguments):
        pass
    text = (tmp_path / "provenance.json").read_text()
    assert str(home) not in text
    assert f'"{socket.gethostname()}"' not in text


def test_packages_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr(provenance, "_PACKAGES", ("numpy", "no-such-package"))
    assert list(versions()) == ["python", "numpy"]


def test_the_commit_is_known_in_a_checkout_only(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    assert provenance.commit() is None
    (tmp_path / ".git").mkdir()  # not a repository after all
    assert provenance.commit() is None
    monkeypatch.setattr(provenance, "_ROOT", Path(__file__).parents[2])
    found = provenance.commit()
    assert found is None or len(found.removesuffix("-dirty")) == 40
