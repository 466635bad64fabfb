"""What is typed becomes a value of the command line, and nothing else."""

import subprocess
import sys

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import OverrideParseException
from hypothesis import example, given
from hypothesis import strategies as st

from fusion_bench.webui.values import argument, literal

TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=("C", "Z")), st.sampled_from(" \\'\"$;|&`(){}[],:=~*?!#%@<>+-.059eNAnfi_")
    ),
    max_size=15,
)


def read(override):
    """The value that hydra reads; quotes gone."""
    parsed = OverridesParser.create().parse_override(override)
    assert not parsed.is_sweep_override()
    return unquoted(parsed.value())


def unquoted(value):
    if isinstance(value, dict):
        return {unquoted(key): unquoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unquoted(item) for item in value]
    return value.text if isinstance(value, QuotedString) else value


@given(TEXT)
@example("null")
@example("TRUE")
@example("1e5")
@example(".5")
@example("-inf")
@example("\\")
@example("a\\'")
@example("${oc.env:HOME}")
@example("range(1,3)")
def test_text_is_read_as_the_same_text(text):
    assert read(f"key={literal(text)}") == text
    assert read(f"key={literal({'a': [text]})}") == {"a": [text]}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False), st.lists, max_leaves=5))
def test_other_values_are_read_as_the_same_values(value):
    assert read(f"key={literal(value)}") == value


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("0.5", "0.5"),
        (" 1e-5 ", "1e-05"),
        ("null", "null"),
        ("True", "true"),
        ("[mnist, digits]", "[mnist,digits]"),
        ("{mnist: 0.5}", "{mnist:0.5}"),
        ("'a b'", "'a b'"),
        ("tiny8/clip-vit-tiny", "tiny8/clip-vit-tiny"),
        ("0.2,0.5", "'0.2,0.5'"),  # a sweep on the command line
        ("range(1,3)", "'range(1,3)'"),
        ("$(touch /tmp/x); rm -rf ~", "'$(touch /tmp/x); rm -rf ~'"),
    ],
)
def test_values_are_typed_as_on_the_command_line_and_sweeps_are_text(typed, given):
    assert argument("key", typed) == f"key={given}"


@given(TEXT)
def test_an_argument_sets_its_own_key_to_one_value(text):
    try:
        made = argument("method.order", text)
    except OverrideParseException:
        assert text.strip().startswith(("[", "{"))
        return
    parsed = OverridesParser.create().parse_override(made)
    assert (parsed.key_or_group, parsed.is_sweep_override(), parsed.package) == ("method.order", False, None)


def test_a_list_that_is_none_is_refused_and_so_are_control_characters():
    with pytest.raises(OverrideParseException, match="no viable alternative"):
        argument("method.order", "[mnist,")
    with pytest.raises(ValueError, match=r"no line break or control character, got 'a\\nb'"):
        argument("seed", "a\nb")


def test_values_arrive_at_a_program_as_they_were_typed():
    typed = "a b $(id) `id` ; 'x' \"y\" \\ * ?"
    code = "import sys; from hydra.core.override_parser.overrides_parser import OverridesParser as P\n"
    code += "print(P.create().parse_override(sys.argv[1]).value())"
    done = subprocess.run([sys.executable, "-c", code, argument("key", typed)], capture_output=True, text=True)
    assert done.stdout == f"{typed}\n", done.stderr
