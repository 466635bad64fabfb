"""What the page shows of runs is what their files say."""

import json

from run_dirs import run_config, write_run

from fusion_bench.webui import markup, results


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_progress_counts_models_over_all_orders(tmp_path):
    assert results.progress(tmp_path) is None
    write(tmp_path / "order_0" / "model_names.json", ["a", "b"])
    write(tmp_path / "order_0" / "trace.json", [{"name": "a"}, {"name": "b"}])
    write(tmp_path / "order_1" / "model_names.json", ["b", "a"])
    assert results.progress(tmp_path) == results.Progress(2, 4, "b")
    write(tmp_path / "order_1" / "trace.json", [{"name": "c"}])
    assert results.progress(tmp_path) == results.Progress(3, 4, "c")
    write(tmp_path / "orders.json", [["a", "b"], ["b", "a"], ["a", "b"]])
    assert results.progress(tmp_path) == results.Progress(3, 6, "c")


def test_files_of_somebody_else_are_no_progress(tmp_path):
    (tmp_path / "model_names.json").write_text('["a"')
    assert results.progress(tmp_path) is None
    write(tmp_path / "model_names.json", ["a"])
    write(tmp_path / "trace.json", {"name": "a"})
    assert results.progress(tmp_path) is None


def test_the_matrix_so_far_has_the_steps_that_were_scored(tmp_path):
    assert results.so_far(tmp_path) is None
    write(tmp_path / "model_names.json", ["a", "b", "c"])
    assert results.so_far(tmp_path) is None
    info = {"model_info": {"trainable_params": 1, "all_params": 1}}
    write(tmp_path / "report_0.json", {**info, "a": {"accuracy": 0.5, "loss": 1.0}})
    scores = {"a": {"accuracy": 0.25, "loss": 1.0}, "b": {"accuracy": 0.75, "loss": 1.0}}
    write(tmp_path / "report_1.json", {**info, **scores})
    table = results.continual_rows(results.so_far(tmp_path))
    assert table.header == ("step", "merged", "a", "b", "mean")
    assert table.rows == (("0", "a", "50.0", "", "50.0"), ("1", "b", "25.0", "75.0", "50.0"))


def test_a_run_is_summed_up(tmp_path):
    write_run(tmp_path / "one", {"a": 0.5, "b": 0.7}, order=["b", "a"], individual={"a": 1.0, "b": 1.0})
    (run,), problems = results.runs_in(tmp_path)
    assert problems == ()
    assert results.figures([run]) == [
        ("mean accuracy", "60.0 %"),
        ("backward transfer", "-20.0 %"),
        ("forgetting", "20.0 %"),
        ("normalised accuracy", "60.0 %"),
    ]
    assert results.task_rows(run.report).rows == (
        ("b", "70.0", "1.000"),
        ("a", "50.0", "1.000"),
        ("mean", "60.0", "1.000"),
    )


def test_orders_are_summed_up_by_mean_and_standard_deviation(tmp_path):
    for order, accuracy in enumerate((0.5, 0.6, 0.7)):
        write_run(tmp_path / f"order_{order}", {"a": accuracy, "b": accuracy}, order=["b", "a"])
    runs, _ = results.runs_in(tmp_path)
    assert results.figures(runs)[0] == ("mean accuracy", "60.0 ± 10.0 %")  # by hand: 0.1² + 0² + 0.1² over 3 - 1
    assert not results.is_of_orders(tmp_path)
    write(tmp_path / "orders.json", [["b", "a"]])
    assert results.is_of_orders(tmp_path)


def test_runs_are_listed_the_latest_first_and_what_is_unfinished_apart(tmp_path):
    import os

    import yaml

    for number, name in enumerate(("old", "new")):
        path = write_run(
            tmp_path / name,
            {"a": 0.5},
            overrides=["method=opcm/opcm", "method.alpha=0.2", "taskpool=a/b", "path.log_dir=x"],
        )
        os.utime(path / "program_report.json", (1000 + number, 1000 + number))
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.yaml").write_text(yaml.safe_dump(run_config(["a"])))
    (tmp_path / "half" / "cli.log").touch()
    runs, problems = results.runs_in(tmp_path)
    assert [run.directory.name for run in runs] == ["new", "old"]
    assert [problem.path.name for problem in problems] == ["half"]
    assert results.listing(runs, tmp_path).rows[0] == ("new", "opcm/opcm", "1", "50.0", "alpha=0.2, taskpool=b")
    assert results.runs_in(tmp_path / "nothing") == ((), ())


def test_files_worth_a_look_are_those_of_the_run_itself(tmp_path):
    for name in ("program_report.json", "cli.log", "plot.png", "weights.safetensors", "resume/run.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [file.name for file in results.files_of(tmp_path)] == ["cli.log", "plot.png", "program_report.json"]
    assert results.files_of(tmp_path / "nothing") == []


def test_text_in_markup_is_text():
    evil = '<script>alert("1")</script>'
    table = markup.table(results.Table((evil, "b"), ((evil, "1"),)), evil, ['/run/"><script>'])
    parts = [
        table,
        markup.prose(f"`{evil}` {evil}"),
        markup.links([(f'"{evil}', evil, evil)]),
        markup.figures([(evil, evil)]),
    ]
    for part in parts:
        assert "<script" not in part
        assert "&lt;script&gt;" in part
    assert "<td class=number>1</td>" in table
    assert markup.prose("a `b` c") == "a <code>b</code> c"
