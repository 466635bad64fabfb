"""Groups over orders, and what is never averaged together."""

import json
import os
from itertools import permutations

import pytest
from run_dirs import AVERAGE, OPCM, SIMPLE, run_config, write_run

from fusion_bench.reporting.comparison import compare_runs
from fusion_bench.reporting.metrics import METRICS
from fusion_bench.reporting.runs import find_runs

ACC = METRICS[0]
ORDERS = ["".join(order) for order in permutations("abc")]
SCORES = {"a": 0.5, "b": 0.6, "c": 0.7}


def compare(directory, by=("method",)):
    found = find_runs([directory])
    assert found.problems == ()
    return compare_runs(found.runs, by)


def only_table(comparison):
    (table,) = comparison.tables
    return table


def test_a_row_is_a_method_over_its_orders(tmp_path):
    for index, order in enumerate(ORDERS):
        write_run(tmp_path / f"opcm/{index}", SCORES | {"a": index / 10}, order=order)
        write_run(tmp_path / f"average/{index}", SCORES, order=order, config=run_config("abc", AVERAGE))
    write_run(tmp_path / "simple", SCORES, config=run_config("abc", SIMPLE))
    comparison = compare(tmp_path)
    table = only_table(comparison)
    assert (comparison.notes, table.notes, table.keys) == ((), (), ("method",))
    assert [(group.label, len(group.runs)) for group in table.groups] == [
        ("opcm/weight_average", 6),
        ("opcm/opcm", 6),
        ("simple_average", 1),
    ]
    average, opcm, simple = table.groups
    assert average.values(ACC) == pytest.approx([0.6] * 6)
    assert opcm.by_order(ACC)[tuple(ORDERS[3])] == pytest.approx((0.3 + 0.6 + 0.7) / 3)
    assert simple.by_order(ACC) == {}


def test_mean_accuracy_does_not_depend_on_the_order_of_the_tasks(tmp_path):
    scores = {"a": 0.1, "b": 0.7, "c": 0.3}
    for index, order in enumerate(ORDERS):
        write_run(tmp_path / str(index), scores, order=order)
    (group,) = only_table(compare(tmp_path)).groups
    assert len(set(group.values(ACC))) == 1


def test_other_options_are_rows_of_their_own(tmp_path):
    for alpha in (0.2, 0.5):
        for order in ORDERS[:2]:
            config = run_config("abc", OPCM | {"alpha": alpha, "seed": int(alpha * 10)})
            write_run(tmp_path / f"{alpha}/{order}", SCORES, config=config, order=order)
    table = only_table(compare(tmp_path))
    assert table.keys == ("method", "alpha")
    assert [group.label for group in table.groups] == ["opcm/opcm, alpha 0.2", "opcm/opcm, alpha 0.5"]
    assert "Told apart by alpha too" in table.notes[0]
    asked = only_table(compare(tmp_path, ("method", "alpha")))
    assert (asked.keys, asked.notes) == (("method", "alpha"), ())


def test_other_precision_is_a_row_of_its_own(tmp_path):
    write_run(tmp_path / "a", SCORES, order="abc")
    write_run(tmp_path / "b", SCORES, order="bac", config=run_config("abc", fabric={"precision": "bf16-true"}))
    assert [group.label for group in only_table(compare(tmp_path)).groups] == [
        "opcm/opcm",
        "opcm/opcm, fabric.precision bf16-true",
    ]


@pytest.mark.parametrize(
    ("config", "scores", "title"),
    [
        (run_config("abc", backbone="toys/larger"), SCORES, "toys: a, b, c, larger"),
        (run_config("abc", root="others"), SCORES, "others: a, b, c, tower"),
        (run_config("ab"), {"a": 0.5, "b": 0.5}, "toys: a, b, tower"),
        (run_config("abc", fast_dev_run=True), SCORES, "toys: a, b, c, one batch a task, tower"),
    ],
)
def test_other_suites_and_backbones_are_tables_of_their_own(tmp_path, config, scores, title):
    write_run(tmp_path / "a", SCORES, order="abc")
    write_run(tmp_path / "b", scores, order=sorted(scores), config=config)
    comparison = compare(tmp_path)
    assert [table.title for table in comparison.tables] == ["toys: a, b, c, tower", title]
    assert all(len(table.groups[0].runs) == 1 for table in comparison.tables)
    assert comparison.notes[0].startswith("Runs on different suites or backbones are not averaged together")


@pytest.mark.parametrize(
    "change", [{"split": "validation"}, {"classnames": ["x", "y"]}, {"dataset": {"path": "toys/a", "split": "train"}}]
)
def test_other_data_under_the_same_name_is_a_table_of_its_own(tmp_path, change):
    write_run(tmp_path / "a", SCORES, order="abc")
    config = run_config("abc")
    config["taskpool"]["test_datasets"]["a"] |= change
    write_run(tmp_path / "b", SCORES, order="bac", config=config)
    assert len(compare(tmp_path).tables) == 2


def test_corruption_is_part_of_the_suite(tmp_path):
    for name, corruption in (("a", None), ("b", "gaussian_noise")):
        config = run_config("abc")
        config["taskpool"] |= {"corruption": corruption, "corruption_severity": 5}
        write_run(tmp_path / name, SCORES, config=config)
    titles = [table.suite.name for table in compare(tmp_path).tables]
    assert titles == ["toys: a, b, c", "toys: a, b, c, gaussian_noise 5"]


def test_where_files_lie_does_not_matter_where_their_hash_is_known(tmp_path):
    for name, place in (("one", "toys"), ("two", "/elsewhere")):
        config = run_config("ab", root=place, backbone=f"{place}/tower")
        directory = write_run(
            tmp_path / name, {"a": 0.5, "b": 0.5}, config=config, order="ab" if place == "toys" else "ba"
        )
        fingerprints = {
            "models": {model: {"sha256": model} for model in ("_pretrained_", "a", "b")},
            "datasets": {task: {"sha256": task} for task in "ab"},
            "task_pool": {"clip_model": {"sha256": "tower"}},
        }
        report = json.loads((directory / "program_report.json").read_text())
        (directory / "program_report.json").write_text(json.dumps(report | {"fingerprints": fingerprints}))
    (group,) = only_table(compare(tmp_path)).groups
    assert len(group.runs) == 2


def test_other_models_are_rows_of_their_own_in_the_same_table(tmp_path):
    write_run(tmp_path / "a", SCORES, order="abc")
    config = run_config("abc")
    config["modelpool"]["models"]["a"] = "my/own"
    write_run(tmp_path / "b", SCORES, order="bac", config=config)
    table = only_table(compare(tmp_path))
    assert table.keys == ("method", "models")
    assert [len(group.runs) for group in table.groups] == [1, 1]
    assert len({group.label for group in table.groups}) == 2
    assert "merge different sets of models" in table.notes[0]


def test_an_order_that_was_run_twice_counts_once(tmp_path):
    for name in ("first", "second", "third"):
        write_run(tmp_path / name, SCORES, order="abc")
    write_run(tmp_path / "other", SCORES, order="cab")
    table = only_table(compare(tmp_path))
    assert len(table.groups[0].runs) == 2
    assert table.notes == (
        "opcm/opcm: 2 runs repeat an order or seed that is there already and are not counted twice.",
    )


def test_runs_of_one_order_that_disagree_are_named_and_the_latest_is_taken(tmp_path):
    old = write_run(tmp_path / "b_old", SCORES, order="abc")
    new = write_run(tmp_path / "a_new", SCORES | {"a": 0.9}, order="abc")
    os.utime(old / "program_report.json", (1, 1))
    table = only_table(compare(tmp_path))
    assert [run.directory for run in table.groups[0].runs] == [new]
    assert table.notes == (f"opcm/opcm: 2 runs of one order disagree; {new} is taken, not {old}.",)


def test_runs_without_an_order_are_told_apart_by_seed_else_by_result(tmp_path):
    for name, seed, score in (("a", 0, 0.1), ("b", 0, 0.1), ("c", 1, 0.2), ("d", None, 0.3), ("e", None, 0.3)):
        write_run(tmp_path / name, SCORES | {"a": score}, config=run_config("abc", SIMPLE, seed=seed))
    write_run(tmp_path / "f", SCORES | {"a": 0.4}, config=run_config("abc", SIMPLE))
    (group,) = only_table(compare(tmp_path)).groups
    assert sorted(run.report.scores["a"].accuracy for run in group.runs) == [0.1, 0.2, 0.3, 0.4]


def test_runs_without_scores_are_left_out_with_a_note(tmp_path):
    write_run(tmp_path / "a", SCORES, order="abc")
    write_run(tmp_path / "b", {}, config=run_config("", SIMPLE))
    comparison = compare(tmp_path)
    assert len(only_table(comparison).groups) == 1
    assert comparison.notes == ("1 run scored no task.",)


def test_keys_from_anywhere_in_the_configuration(tmp_path):
    write_run(tmp_path, SCORES, order="abc", config=run_config("abc", seed=3))
    table = only_table(compare(tmp_path, ("taskpool.base_model", "suite", "seed", "modelpool.models.a")))
    assert list(table.groups[0].keys.values()) == ["toys/tower", "toys: a, b, c", 3, "toys/tower_a"]


def test_errors(tmp_path):
    write_run(tmp_path, SCORES, order="abc")
    with pytest.raises(ValueError, match="no run has the key 'alpah'; did you mean 'alpha'"):
        compare(tmp_path, ("alpah",))
    with pytest.raises(ValueError, match="there is no finished run to compare"):
        compare_runs([])


def test_of_two_equal_runs_the_more_complete_is_taken(tmp_path):
    complete = write_run(tmp_path / "complete", SCORES, order="abc")
    sparse = write_run(tmp_path / "sparse", SCORES, order="abc")
    report = json.loads((sparse / "continual_report.json").read_text())
    report["accuracy_matrix"][:2] = [[None] * 3] * 2
    (sparse / "continual_report.json").write_text(json.dumps(report))
    os.utime(complete / "program_report.json", (1, 1))
    (group,) = only_table(compare(tmp_path)).groups
    assert [run.directory for run in group.runs] == [complete]
