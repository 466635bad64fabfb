"""Tables for the terminal, by eye."""

from fusion_bench.report import ContinualReport, EvalReport, ModelInfo, TaskScore
from fusion_bench.reporting.tables import continual_table, eval_table


def test_continual_table():
    report = ContinualReport(("digits", "b"), ("digits", "b"), ((0.9, None), (0.85, 0.5)))
    assert continual_table(report) == "\n".join(
        [
            "step  merged  digits     b  mean",
            "----  ------  ------  ----  ----",
            "0     digits    90.0        90.0",
            "1     b         85.0  50.0  67.5",
            "ACC 67.5   BWT -5.0   BWT over T -2.5   forgetting 5.0",
        ]
    )


def test_eval_table():
    report = EvalReport(ModelInfo(1, 1200), {"a": TaskScore(1.0, 0.0), "long name": TaskScore(0.25, 1.0)})
    assert eval_table(report).splitlines() == [
        "    a  long name  mean",
        "-----  ---------  ----",
        "100.0       25.0  62.5",
    ]
    assert eval_table(EvalReport(ModelInfo(1, 1200))) == "1,200 parameters; no task was scored"
