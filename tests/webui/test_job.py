"""A run is a process of its own that can be stopped, with all it started; there is one at a time."""

import os
import signal
import sys
import time

import pytest

from fusion_bench.webui.job import Job, Runner, tail

COUNTING = "import time\nprint('started', flush=True)\nwhile True: time.sleep(0.05)\n"
TIDY = (
    "import time\nprint('started', flush=True)\ntry:\n  time.sleep(60)\n"
    "except KeyboardInterrupt:\n  print('tidied up')\n  raise SystemExit(130)\n"
)
STUBBORN = (
    "import os, signal, subprocess, sys, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print('started', child.pid, flush=True)\ntime.sleep(60)\n"
)


@pytest.fixture
def start(tmp_path):
    """Start Python code as a run; it is stopped when the test has ended."""
    started = []
    # A script in the background ignores interrupts, which its children would inherit; the server of the page does not.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def job(code, *arguments):
        started.append(Job([sys.executable, "-c", code], arguments, tmp_path / "run", tmp_path / "log"))
        return started[-1]

    yield job
    for item in started:
        item.stop(grace=0.0)
    signal.signal(signal.SIGINT, before)


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def is_alive(process_id):
    """Whether a process runs; one that has ended and only waits to be asked about does not."""
    try:
        with open(f"/proc/{process_id}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_run_ends_by_itself(start):
    job = start("print('one'); print('two')")
    assert job.is_running or job.state == "finished"
    wait_for(lambda: not job.is_running)
    assert (job.state, job.error, job.log()) == ("finished", None, ["one", "two"])
    assert 0 < job.seconds < 20


def test_arguments_arrive_as_they_are(start):
    typed = ["a b", "$(touch x)", "; rm", "'q'", "`id`", "*"]
    job = start("import sys; print(sys.argv[1:])", *typed)
    wait_for(lambda: not job.is_running)
    assert job.log() == [repr(typed)]


def test_what_the_command_line_says_is_the_error_of_a_failed_run(start):
    job = start("import sys; print('log'); sys.exit('error: method: alpha must be in [0, 1]\\nand more')")
    wait_for(lambda: not job.is_running)
    assert (job.state, job.error) == ("failed", "method: alpha must be in [0, 1]\nand more")


@pytest.mark.parametrize(
    ("code", "error"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("import os; os._exit(3)", "the run ended with status 3")],
)
def test_other_failures_have_the_last_line_or_the_status(start, code, error):
    job = start(code)
    wait_for(lambda: not job.is_running)
    assert (job.state, job.error) == ("failed", error)


def test_a_stopped_run_may_tidy_up(start):
    job = start(TIDY)
    wait_for(job.log)
    assert job.state == "running"
    job.stop()
    assert (job.state, job.log(), job.error) == ("stopped", ["started", "tidied up"], None)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="asks /proc about processes")
def test_what_does_not_stop_is_killed_with_what_it_started(start):
    job = start(STUBBORN)
    wait_for(job.log)
    child = int(job.log()[0].split()[1])
    assert is_alive(child)
    job.stop(grace=0.2)
    assert (job.is_running, job.state) == (False, "stopped")
    wait_for(lambda: not is_alive(child))


def test_stopping_a_run_that_has_ended_changes_nothing(start):
    job = start("")
    wait_for(lambda: not job.is_running)
    job.stop()
    assert job.state == "finished"


def test_there_is_one_run_at_a_time(tmp_path):
    runner = Runner([sys.executable, "-c", COUNTING])
    try:
        first = runner.start([], tmp_path / "a")
        with pytest.raises(RuntimeError, match="a run is going on; wait for its end or stop it"):
            runner.start([], tmp_path / "b")
        assert runner.job_in(tmp_path / "a") is first
        assert runner.job_in(tmp_path / "b") is None
        first.stop(grace=0.0)
        assert runner.start([], tmp_path / "b").is_running
    finally:
        runner.close()
    assert runner.job.state == "stopped"


def test_the_command_line_answers_as_a_run(tmp_path):
    runner = Runner()
    job = runner.start(["sed=1"], tmp_path)
    wait_for(lambda: not job.is_running)
    assert job.error == "no key 'sed' in the configuration; did you mean 'seed'?"
    runner.close()


def test_a_progress_bar_shows_as_it_stands(tmp_path):
    file = tmp_path / "log"
    file.write_bytes(b"first\r\n\n10%\r20%\rdone\n30%\r40%")
    assert tail(file) == ["first", "", "done", "40%"]


def test_only_the_end_of_a_long_log_is_read(tmp_path):
    file = tmp_path / "log"
    file.write_text("".join(f"line {number}\n" for number in range(100_000)))
    lines = tail(file)
    assert lines[-1] == "line 99999"
    assert lines == [f"line {number}" for number in range(100_000 - len(lines), 100_000)]
    assert len(lines) < 50_000
    assert tail(tmp_path / "nothing") == []
