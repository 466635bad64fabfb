"""Fields of the form, without a browser."""

from types import SimpleNamespace

import pytest

pytest.importorskip("nicegui", reason="the extra webui is not installed")


def test_a_control_whose_problem_stays_the_same_is_left_alone():
    """Sending it again would take away what somebody is typing in it."""
    from fusion_bench.webui.fields import Field

    updates = []
    line = SimpleNamespace(text="", set_visibility=lambda visible: None)
    line.set_text = lambda text: setattr(line, "text", text)
    entry = Field(SimpleNamespace(props={}, update=lambda: updates.append(line.text)), line)
    for message in (None, "wrong", "wrong", None, None):
        entry.complain(message)
    assert updates == ["", "wrong"]  # when it appears, and when it goes
    assert entry.control.props == {"error": False}
