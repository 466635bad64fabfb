"""The report commands in the documentation and the examples are understood."""

import re
import shlex
from pathlib import Path

import pytest

from fusion_bench.cli.report_options import make_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
COMMANDS = [
    shlex.split(line.removeprefix("$ fusion_bench_report "))
    for page in PAGES
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("$ fusion_bench_report ")
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_is_understood(arguments):
    assert make_parser().parse_args(arguments).command


def test_there_are_commands():
    assert len(COMMANDS) >= 5
