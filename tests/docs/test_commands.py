"""The commands on the page of the published suites compose."""

import re
from pathlib import Path

import pytest
from suite_table import TABLE

from fusion_bench.cli.request import Request

PAGE = Path(__file__).parents[2] / "docs" / "suites.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ fusion_bench ").split()
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("$ fusion_bench ")
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_composes(arguments):
    request = Request.from_argv([argument.strip("'") for argument in arguments])
    assert request.compose().modelpool.models


def test_there_are_commands_and_a_row_for_every_task():
    assert len(COMMANDS) >= 5
    for number, row in enumerate(TABLE, start=1):
        cells = rf"\| {number} \| `{row.task}` \| {row.classes} \| {row.templates} \| `{re.escape(row.path)}`"
        assert re.search(cells, TEXT), row.task
