"""The command ``fusion_bench_report`` on runs that were written by hand."""

import csv
import json
import os
import subprocess
import sys
from itertools import permutations

import pytest
from run_dirs import AVERAGE, OPCM, SIMPLE, run_config, write_run

from fusion_bench.cli.report import main

ORDERS = ["".join(order) for order in permutations("abc")]
SCORES = {"a": 0.5, "b": 0.6, "c": 0.7}


@pytest.fixture
def outputs(tmp_path):
    """OPCM and a weight average over six orders, and a simple average."""
    directory = tmp_path / "outputs"
    for index, order in enumerate(ORDERS):
        better = SCORES | {"a": 0.6 + index / 100}
        write_run(directory / f"opcm/order_{index}", better, order=order, individual=dict.fromkeys("abc", 0.8))
        write_run(directory / f"average/order_{index}", SCORES, order=order, config=run_config("abc", AVERAGE))
    write_run(directory / "simple", SCORES, config=run_config("abc", SIMPLE))
    return directory


@pytest.fixture
def ask(capsys):
    """Runs the command; gives what it printed."""

    def run(*arguments):
        main(list(map(str, arguments)))
        return capsys.readouterr()

    return run


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    assert ended.value.code not in (0, None)
    return f"{ended.value.code}{capsys.readouterr().err}"


def rows_of(text, start):
    """The lines that begin with a word, split at two spaces or more."""
    return [[cell for cell in line.split("  ") if cell] for line in text.splitlines() if line.startswith(start)]


def test_compare_prints_a_row_a_method(outputs, ask):
    out = ask("compare", outputs).out
    lines = out.splitlines()
    assert lines[0] == "toys: a, b, c, tower"
    assert lines[2].split() == ["method", "runs", "ACC", "BWT"]
    results = [[cell.strip() for cell in row] for row in rows_of(out.split("spread over orders")[0], "opcm/")]
    # Equal values over orders have a deviation of exactly 0.
    assert results[0] == [
        "opcm/weight_average",
        "6",
        "60.0 ± 0.0",
        "-30.0 ± 4.5",
    ]  # BWT: twice each of -0.35, -0.3, -0.25
    assert results[1][:3] == ["opcm/opcm", "6", "64.2 ± 0.6"]
    assert "individual models" in out
    (test,) = [row for row in rows_of(out, "opcm/weight_average") if "opcm/opcm" in row[1]]
    assert [cell.strip() for cell in test][-4:] == ["0.031", "0.094", "< 0.001", "< 0.001"]  # 2 / 2^6, times 3 pairs


def test_compare_writes_every_format(outputs, ask, tmp_path):
    said = ask("compare", outputs, "--write", tmp_path / "tables", "--metric", "acc,bwt,tasks").err
    names = ["comparison.json", "comparison.md", "comparison.tex", "results.csv", "runs.csv", "spread.csv", "tests.csv"]
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == names
    assert all(f"wrote {tmp_path / 'tables' / name}" in said for name in names)
    with (tmp_path / "tables/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["method"] == "opcm/weight_average"
    assert (float(rows[0]["ACC"]), float(rows[0]["ACC std"])) == pytest.approx((0.6, 0.0))
    simple = {key: rows[2][key] for key in ("method", "runs", "ACC std", "BWT", "BWT std")}
    assert simple == {"method": "simple_average", "runs": "1", "ACC std": "", "BWT": "", "BWT std": ""}
    with (tmp_path / "tables/runs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 13
    content = json.loads((tmp_path / "tables/comparison.json").read_text())
    (table,) = content["tables"]
    assert [len(group["runs"]) for group in table["groups"]] == [6, 6, 1]
    assert table["groups"][2]["metrics"]["bwt"] is None
    assert table["groups"][0]["metrics"]["acc"]["std"] == 0.0
    assert len(table["tests"]) == 3
    markdown = (tmp_path / "tables/comparison.md").read_text()
    assert "| **64.2 ± 0.6** " in markdown
    assert "\\toprule" in (tmp_path / "tables/comparison.tex").read_text()


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv", "json"])
@pytest.mark.parametrize("command", ["list", "compare"])
def test_formats(outputs, ask, command, form):
    out = ask(command, outputs, "--format", form).out
    assert out.endswith("\n")
    if form == "json":
        json.loads(out)
    assert "simple_average" in out or "simple\\_average" in out


def test_list_shows_every_run_and_says_what_is_left_out(outputs, ask):
    (outputs / "opcm/order_3/program_report.json").write_text('{"model_info"')
    (outputs / "opcm/order_4/program_report.json").unlink()
    (outputs / "opcm/order_5/trace.json").write_text("[")
    printed = ask("list", outputs)
    assert len(rows_of(printed.out, "opcm/order_")) == 4
    assert len(rows_of(printed.out, "average/order_")) == 6
    broken, unfinished, incomplete = sorted(printed.err.splitlines())[:3]
    assert broken.startswith(f"left out: {outputs}/opcm/order_3: program_report.json is truncated")
    assert unfinished.startswith(f"left out: {outputs}/opcm/order_4: not finished: no program_report.json")
    assert incomplete.startswith(f"note: {outputs}/opcm/order_5: trace.json is left out")


def test_compare_goes_on_without_damaged_runs(outputs, ask):
    (outputs / "opcm/order_3/continual_report.json").write_text("")
    printed = ask("compare", outputs)
    assert "continual_report.json is empty" in printed.err
    assert "5 orders in common, 6 needed" in printed.out


def test_too_few_orders_for_any_test_are_a_sentence(tmp_path, ask):
    write_run(tmp_path / "a", SCORES, order="abc")
    write_run(tmp_path / "b", SCORES, order="abc", config=run_config("abc", AVERAGE))
    out = ask("compare", tmp_path).out
    assert "toys: a, b, c, tower: no paired tests: 1 order in common, 6 needed." in out
    assert "Wilcoxon" not in out


def test_tests_are_chosen(outputs, ask):
    assert "Wilcoxon" not in ask("compare", outputs, "--tests", "none").out
    content = json.loads(ask("compare", outputs, "--format", "json", "--tests", "bwt", "--against", "opcm/opcm").out)
    found = [(test["first"], test["second"], test["metric"]) for test in content["tables"][0]["tests"]]
    assert found == [("opcm/weight_average", "opcm/opcm", "bwt")]


def test_show(outputs, ask):
    directory = outputs / "opcm/order_1"
    (directory / "provenance.json").write_text(
        json.dumps({"sessions": [{"status": "finished", "command": "fusion_bench x", "seconds": {"merging": 1.5}}]})
    )
    out = ask("show", directory).out
    for text in ("opcm/opcm", "alpha 0.5", "a → c → b", "toys: a, b, c", "fusion_bench x", "merging 1.5", "ACC 63.7"):
        assert text in out
    content = json.loads(ask("show", directory, "--format", "json").out)
    assert content["order"] == ["a", "c", "b"]
    assert content["continual_report"]["tasks"] == ["a", "c", "b"]
    assert "no provenance.json" in ask("show", outputs / "simple").out


def test_metrics_that_no_run_has_are_explained(tmp_path, ask):
    write_run(tmp_path, SCORES, config=run_config("abc", SIMPLE))
    out = ask("compare", tmp_path, "--metric", "acc,forgetting,normalised").out
    assert "no run has forgetting; it needs a continual method with method.evaluate=seen" in out
    assert "no run has normalised; it needs individual_accuracy" in out


def test_published_says_that_nothing_is_comparable(outputs, ask):
    assert "Nothing to compare with published results" in ask("compare", outputs, "--published").out


def test_several_suites_are_several_tables(outputs, ask, tmp_path):
    write_run(outputs / "other", SCORES, order="abc", config=run_config("abc", root="other"))
    out = ask("compare", outputs, "--write", tmp_path / "tables").out
    assert "Runs on different suites or backbones are not averaged together" in out
    assert (tmp_path / "tables/results_2.csv").exists()
    # A task that only one of the suites has
    write_run(outputs / "more", SCORES | {"d": 0.5}, order="abcd", config=run_config("abcd"))
    assert ask("compare", outputs, "--metric", "acc,d").out.count("toys: a, b, c, tower\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "nowhere"), "error: no directory nowhere"),
        (("compare", "{outputs}", "--by", "methd"), "did you mean 'method'?"),
        (("compare", "{outputs}", "--metric", "accuracy"), "error: no metric 'accuracy'; there are acc, bwt"),
        (("compare", "{outputs}", "--against", "ties"), "error: no group 'ties' to test against"),
        (("compare", "{outputs}", "--confidence", "95"), "error: the confidence must be between 0 and 1"),
        (("compare", "{outputs}", "--decimals", "-1"), "error: the number of decimals must be in 0..9"),
        (("compare", "{outputs}", "--format", "pdf"), "invalid choice: 'pdf'"),
        (("compare", "{outputs}", "--metri", "acc"), "unrecognized arguments"),
        (("show", "{outputs}"), "13 runs below"),
        (("show", "{outputs}/opcm/order_1/checkpoints"), "error: no directory"),
        (("list", "{empty}"), "error: no finished run below"),
        (("show", "{empty}"), "holds no finished run"),
        ((), "the following arguments are required"),
    ],
)
def test_mistakes_are_answered_in_a_line(outputs, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    places = {"outputs": outputs, "empty": tmp_path / "empty"}
    said = refused(capsys, *(argument.format(**places) for argument in arguments))
    assert message in said
    assert "Traceback" not in said


def test_a_directory_that_cannot_be_written_is_said(outputs, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "error: " in refused(capsys, "compare", outputs, "--write", tmp_path / "file")


def test_outputs_is_searched_where_no_directory_is_given(outputs, ask, monkeypatch):
    monkeypatch.chdir(outputs.parent)
    monkeypatch.delenv("FUSION_BENCH_PROJECT_ROOT", raising=False)
    assert "opcm/opcm" in ask("compare").out


def test_the_command_is_light_and_bears_a_reader_that_leaves(outputs):
    program = (
        "import sys; from fusion_bench.cli.report import main; main(); "
        "heavy = {'torch', 'transformers', 'matplotlib', 'hydra', 'omegaconf'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-c", program, "compare", str(outputs)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        left = subprocess.run(
            [sys.executable, "-m", "fusion_bench.cli.report", "list", str(outputs)],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (left.returncode, left.stderr) == (1, "")


def test_the_settings_of_a_user_method_are_compared(tmp_path, ask):
    for share in (0.1, 0.2):
        config = run_config(
            "abc", {"_target_": "mine.Mine", "share": share, "when": "2026-01-01", "limit": float("inf")}
        )
        write_run(tmp_path / str(share), SCORES, config=config, overrides=["method=my_method"])
    out = ask("compare", tmp_path, "--by", "method,share").out
    assert len(rows_of(out, "my_method")) == 2
    json.loads(ask("compare", tmp_path, "--format", "json").out)


def test_a_sweep_over_an_option_has_a_column(tmp_path, ask):
    for alpha in (0.2, 0.5):
        config = run_config("abc", OPCM | {"alpha": alpha})
        write_run(tmp_path / str(alpha), SCORES, order="abc", config=config)
    header = ask("compare", tmp_path, "--by", "alpha,method").out.splitlines()[2].split()
    assert header == ["alpha", "method", "runs", "ACC", "BWT"]
