"""Cells, marks, and the same sheet in every format."""

import csv
import html
import io
import json
import math
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_bench.reporting import latex
from fusion_bench.reporting.csv_table import sheet_csv
from fusion_bench.reporting.formats import render, sheet_text
from fusion_bench.reporting.latex import escape_latex, sheet_latex
from fusion_bench.reporting.markdown import escape_markdown, sheet_markdown
from fusion_bench.reporting.sheets import Figure, Sheet, cell_text, mark_best

SHEET = Sheet(
    name="results",
    title="a_suite & more",
    header=("method", "ACC", "50% | x"),
    rows=(
        ("opcm_1", Figure(0.6333, 0.0034, mark="best"), Figure(-0.02, signed=True)),
        ("λ 0.3 #2", Figure(0.6168, 0.0, mark="second"), Figure(None, signed=True)),
    ),
    notes=("A note.",),
)
figures = st.builds(
    Figure, st.none() | st.floats(-1, 1, allow_subnormal=False), st.none() | st.floats(0, 1), st.booleans()
)


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(0.6333, 0.0034), "63.3 ± 0.3"),
        (Figure(0.6333), "63.3"),
        (Figure(None), ""),
        (Figure(None, 0.1), ""),
        (Figure(0.0), "0.0"),
        (Figure(-1e-9, 1e-18), "0.0 ± 0.0"),
        (Figure(0.0213, signed=True), "+2.1"),
        (Figure(-0.0213, signed=True), "-2.1"),
        (Figure(1.0), "100.0"),
        (Figure(0.0, signed=True), "0.0"),
    ],
)
def test_figures(figure, text):
    assert cell_text(figure, 1) == text


def marks(values, higher=True, decimals=1):
    return [
        figure.mark for figure in mark_best([Figure(v) for v in values], higher_is_better=higher, decimals=decimals)
    ]


def test_marks():
    assert marks([0.1, 0.3, 0.2, None, 0.2]) == ["", "best", "second", "", "second"]
    assert marks([0.1, 0.3, 0.2], higher=False) == ["best", "", "second"]
    assert marks([0.5004, 0.5001, 0.4]) == ["best", "best", "second"]  # printed alike
    assert marks([0.5004, 0.5001, 0.4], decimals=2) == ["best", "second", ""]
    assert marks([0.5, 0.5]) == marks([0.5, None]) == ["", ""]
    assert marks([]) == []


@given(st.lists(st.none() | st.floats(0, 1)), st.booleans())
def test_the_marked_ones_are_better_than_all_others(values, higher):
    found = mark_best([Figure(value) for value in values], higher_is_better=higher, decimals=1)
    assert [figure.mean for figure in found] == values
    rank = {"best": 0, "second": 1, "": 2}
    known = [(rank[f.mark], round(100 * f.mean, 1) * (-1 if higher else 1)) for f in found if f.mean is not None]
    if any(figure.mark for figure in found):
        by_mark = sorted(known)
        assert [value for _, value in by_mark] == sorted(value for _, value in known)
        assert all(figure.mark == "" for figure in found if figure.mean is None)


def test_text():
    assert sheet_text(SHEET).splitlines() == [
        "a_suite & more",
        "",
        "method           ACC  50% | x",
        "--------  ----------  -------",
        "opcm_1    63.3 ± 0.3     -2.0",
        "λ 0.3 #2  61.7 ± 0.0",
        "",
        "A note.",
    ]


def test_markdown():
    assert sheet_markdown(SHEET).splitlines() == [
        "## a_suite &amp; more",
        "",
        "| method   | ACC               | 50% \\| x |",
        "| ---      | ---:              | ---:     |",
        "| opcm_1   | **63.3 ± 0.3**    | -2.0     |",
        "| λ 0.3 #2 | <u>61.7 ± 0.0</u> |          |",
        "",
        "A note.",
    ]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("oxford_flowers102", "oxford_flowers102"),
        ("_a_ __b__", "\\_a\\_ \\_\\_b\\_\\_"),
        ("a|b*c`d", "a\\|b\\*c\\`d"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_escapes(text, escaped):
    assert escape_markdown(text) == escaped


@pytest.mark.parametrize("text", ["p < 0.001", "a & b ~c~ $d$", "<b>*_x_*</b> [y](z) `w` \\"])
def test_escaped_text_is_read_as_it_was(text):
    markdown = pytest.importorskip("markdown")
    assert html.unescape(markdown.markdown(escape_markdown(text))) == f"<p>{text}</p>"


@given(st.text(), st.lists(figures, max_size=3))
def test_a_markdown_table_has_as_many_cells_in_every_row(name, cells):
    sheet = Sheet("s", name, ("a", *map(str, range(len(cells)))), ((name, *cells), (name, *cells)))
    rows = [line for line in sheet_markdown(sheet).splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    for row in rows:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == len(cells) + 2


def test_latex():
    assert sheet_latex(SHEET).splitlines() == [
        "% A note.",
        "\\begin{table}",
        "\\centering",
        "\\caption{a\\_suite \\& more}",
        "\\begin{tabular}{lrr}",
        "\\toprule",
        "method & ACC & 50\\% \\textbar{} x \\\\",
        "\\midrule",
        "opcm\\_1 & $\\mathbf{63.3 \\pm 0.3}$ & $-2.0$ \\\\",
        "$\\lambda$ 0.3 \\#2 & \\underline{$61.7 \\pm 0.0$} &  \\\\",
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]


def wide(count):
    return Sheet("wide", "Wide", tuple(f"column {index}" for index in range(count)), (("x",) * count,))


def test_latex_shrinks_wide_tables_only():
    assert "resizebox" not in sheet_latex(wide(6))
    lines = sheet_latex(wide(7)).splitlines()
    assert lines[3].startswith("\\resizebox{")
    assert lines[-2] == "\\end{tabular}}"


HARD_NAMES = [
    "a_b%c&d$e#f{g}h~i^j\\k",
    "<>|\"'`*[x]-- ?` ,, <<",
    "λ α Ω ϵ ± × − → √ … 50 °",
    latex._LETTERS,
    "日本語 \u200b \x07 🙂",
    "[1em]",
    "*",
    "",
]


def test_latex_escapes():
    assert escape_latex("a_b 50% {x} \\y") == "a\\_b 50\\% \\{x\\} \\textbackslash{}y"
    assert escape_latex("日") == "U+65E5"
    assert escape_latex("Ωα") == "$\\Omega$$\\alpha$"


@given(st.text())
def test_no_text_is_a_command_in_latex(text):
    escaped = escape_latex(text)
    commands = re.findall(r"\\(?:[a-zA-Z]+|.)", escaped)
    known = {
        *(f"\\{character}" for character in "&%$#_{}"),
        *re.findall(r"\\[a-zA-Z]+", " ".join(latex._ESCAPES.values())),
    }
    greek = {f"\\{name}" for name in latex._GREEK} | {f"\\{name.capitalize()}" for name in latex._CAPITAL_GREEK}
    assert set(commands) <= known | greek
    bare = re.sub(r"\\.", "", escaped)
    assert not set(bare) & set("&%#_^")
    assert bare.count("$") % 2 == 0
    assert bare.count("{") == bare.count("}")


@given(st.text(), st.lists(figures, max_size=3))
def test_a_latex_table_has_as_many_cells_in_every_row(name, cells):
    sheet = Sheet("s", name, ("a", *map(str, range(len(cells)))), ((name, *cells),))
    lines = sheet_latex(sheet).splitlines()
    rows = [line for line in lines if line.endswith("\\\\")]
    assert len(rows) == 2
    assert all(len(re.findall(r"(?<!\\)&", row)) == len(cells) for row in rows)
    begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", "\n".join(lines)) for word in ("begin", "end"))
    assert begun == ended[::-1] == ["table", "tabular"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path):
    rows = tuple((name, Figure(0.5, 0.1, mark="best"), Figure(None)) for name in HARD_NAMES)
    hard = Sheet("hard", HARD_NAMES[0], ("name", HARD_NAMES[1], HARD_NAMES[2]), rows, notes=(HARD_NAMES[4],))
    (tmp_path / "tables.tex").write_text(
        render([SHEET, hard, wide(30)], ["A note, 50%."], {}, "latex"), encoding="utf-8"
    )
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs}\n\\usepackage{graphicx}\n"
        "\\begin{document}\n\\input{tables}\n\\end{document}\n"
    )
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 0
    said = (tmp_path / "paper.log").read_text(errors="replace")
    assert "Missing character" not in said
    assert "Overfull" not in said


def test_csv_has_unrounded_shares_and_empty_fields():
    assert list(csv.reader(io.StringIO(sheet_csv(SHEET)))) == [
        ["method", "ACC", "ACC std", "50% | x"],
        ["opcm_1", "0.6333", "0.0034", "-0.02"],
        ["λ 0.3 #2", "0.6168", "0.0", ""],
    ]


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="\r\n\0")), figures), min_size=1, max_size=4))
def test_csv_is_read_back_as_it_was(rows):
    header, *found = csv.reader(io.StringIO(sheet_csv(Sheet("s", "t", ("a", "b"), tuple(rows)))))
    assert [row[0] for row in found] == [name for name, _ in rows]
    assert [row[1] for row in found] == ["" if f.mean is None else repr(f.mean) for _, f in rows]
    if "b std" in header:
        assert [row[2] for row in found] == ["" if f.std is None else repr(f.std) for _, f in rows]


def test_json_is_valid_whatever_an_option_is():
    content = {"a": [math.inf, math.nan, 0.5, None], 3: {"x": SHEET.title}}
    assert json.loads(render([], [], content, "json")) == {"a": ["inf", "nan", 0.5, None], "3": {"x": "a_suite & more"}}


def test_notes_stand_below_the_tables():
    assert render([SHEET], ["One_ note."], {}, "markdown").endswith("\n- One\\_ note.\n")
    assert render([SHEET], ["One note."], {}, "text").endswith("\n\nOne note.\n")
    assert "% One note." in render([SHEET], ["One note."], {}, "latex").splitlines()
