"""The progress display: on a terminal, in a pipe, for several orders and threads."""

import io
import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import HashTaskPool, make_models

from fusion_bench.callbacks.progress import ProgressDisplay, ShowProgress
from fusion_bench.callbacks.standard import standard_callbacks
from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.runtime import Runtime
from fusion_bench.utils.timing import Profile


class Screen(io.StringIO):
    """A stream that says it is a terminal, or that it is none."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


class Clock:
    """Moves on at every look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def merge(display, order=0):
    profile, method = Profile(), OPCM(shuffle_order=False)
    callbacks = standard_callbacks(
        method, taskpool=HashTaskPool(), profile=profile, progress=ShowProgress(display, order)
    )
    method.run(make_models(), Runtime(callbacks=callbacks, profile=profile))


def test_a_terminal_has_one_line_which_goes_at_the_end():
    screen = Screen(terminal=True)
    merge(ProgressDisplay(stream=screen, clock=Clock(1.0)))
    text = screen.getvalue()
    shown = re.findall(r"model (\d) of 4 \((\w)\): ([\w ]+)", text)
    assert {name for _, name, _ in shown} == {"a", "b", "c", "d"}
    assert {"merging 1 of 5 tensors", "evaluating", "loading"} <= {phase.strip() for _, _, phase in shown}
    assert "3 of 4 models" in text
    assert "\n" not in text
    assert text.rstrip(" ").endswith("\r")


def test_log_lines_stand_above_the_line_of_a_terminal(monkeypatch):
    screen = Screen(terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    handler = logging.StreamHandler(screen)
    logger = logging.getLogger()
    monkeypatch.setattr(logger, "handlers", [handler])
    with ProgressDisplay(stream=screen, clock=Clock(1.0)) as display:
        display.change(0, total=2, model="a", phase="merging")
        logging.getLogger("fusion_bench.test").warning("saved it")
    assert re.search(r"\r\s*\rsaved it\n", screen.getvalue())  # the bar was cleared first
    assert logger.handlers == [handler]


def test_a_pipe_gets_log_lines_now_and_then_and_no_control_characters(caplog):
    screen = Screen(terminal=False)
    with caplog.at_level(logging.INFO):
        merge(ProgressDisplay(orders=2, stream=screen, clock=Clock(5.0)), order=1)
    assert screen.getvalue() == ""
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("progress")]
    assert lines
    assert all(re.fullmatch(r"order 2 of 2, .*; \d of \d models done after \d+:\d\d", line) for line in lines)
    assert len(lines) < 15  # of about 50 reports


def test_a_quick_run_says_nothing(caplog):
    with caplog.at_level(logging.INFO):
        merge(ProgressDisplay(stream=Screen(terminal=False)))
    assert not [record for record in caplog.records if record.name.endswith("progress")]


def test_finished_orders_count():
    screen = Screen(terminal=True)
    with ProgressDisplay(orders=3, stream=screen, clock=Clock(1.0)) as display:
        display.finish(0, 4)
        display.change(1, done=2, total=4, model="c", phase="evaluating")
    assert "6 of 12 models" in screen.getvalue()
    assert "order 2 of 3, model 3 of 4 (c): evaluating" in screen.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_orders_in_threads_share_a_display(terminal):
    screen = Screen(terminal)
    with ProgressDisplay(orders=4, stream=screen, clock=Clock(1.0)) as display, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda order: merge(display, order), range(4)))
    assert ("of 16 models" in screen.getvalue()) == terminal


def test_a_run_that_fails_takes_its_display_away():
    screen = Screen(terminal=True)
    display = ProgressDisplay(stream=screen, clock=Clock(1.0))
    progress = ShowProgress(display)
    progress.on_run_end()  # it failed before it began
    with pytest.raises(TypeError):
        OPCM(shuffle_order=False).run(make_models(), Runtime(callbacks=[progress, Broken()]))
    assert screen.getvalue().rstrip(" ").endswith("\r")


class Broken(ShowProgress):
    """Fails at the first step."""

    def __init__(self) -> None:
        super().__init__(ProgressDisplay(stream=Screen(terminal=False)))

    def on_step(self, event):
        raise TypeError("broken")
