"""Runs for tests of the page: two methods in six orders each, and names that are code to a careless writer."""

import json
import shutil
from pathlib import Path

from run_dirs import AVERAGE, OPCM, run_config, write_run

from fusion_bench.reporting.comparison import Comparison, compare_runs
from fusion_bench.reporting.runs import FoundRuns, find_runs

HOSTILE = "<script>document.title='broken'</script>"
TASKS = ["mnist", "a & b", '"><img src=x onerror="document.title=\'broken\'">']
ORDERS = [TASKS[place:] + TASKS[:place] for place in range(3)]
ORDERS += [order[::-1] for order in ORDERS]


def write_runs(root: Path) -> Path:
    """OPCM and an average in six orders, and one run of a method with a hostile name."""
    for number, order in enumerate(ORDERS):
        for method, options, shift in (("opcm", OPCM, 0.1), ("average", AVERAGE, 0.0)):
            final = {task: 0.5 + shift + 0.01 * number + 0.1 * TASKS.index(task) for task in TASKS}
            config = run_config(TASKS, options | {"seed": number})
            directory = write_run(root / method / f"version_{number}", final, config=config, order=order)
            _add_trace(directory, order)
            _add_provenance(directory, method)
    config = run_config(TASKS, {"_target_": HOSTILE, "note": "https://example.org/?a=1&b=2"})
    write_run(root / "hostile", dict.fromkeys(TASKS, 0.25), config=config)
    (root / "damaged").mkdir()
    shutil.copy(root / "opcm" / "version_0" / "config.yaml", root / "damaged" / "config.yaml")
    (root / "damaged" / "program_report.json").write_text('{"model_info"')
    return root


def compared(root: Path) -> tuple[Comparison, FoundRuns]:
    """The comparison of what is below a directory, and all that was found."""
    found = find_runs([root])
    return compare_runs(found.runs), found


def _add_trace(directory: Path, order: list[str]) -> None:
    rows = [
        {"step": step, "name": name, "model/task_vector_norm": 1.0 + step, "model/lambda_t": 1 + step / 3}
        for step, name in enumerate(order)
    ]
    (directory / "trace.json").write_text(json.dumps(rows))


def _add_provenance(directory: Path, method: str) -> None:
    session = {
        "start": "2026-01-01T10:00:00+00:00",
        "end": "2026-01-01T10:01:05+00:00",
        "status": "finished",
        "command": f"fusion_bench method=opcm/{method} 'note={HOSTILE}'",
        "versions": {"python": "3.12.1", "torch": "2.9.9"},
        "commit": None,
        "hardware": {"processor": "Test CPU", "cores": 2, "memory_gib": 7.5},
        "device": "cpu",
        "seconds": {"merging": 5.0, "evaluating": 60.0},
    }
    (directory / "provenance.json").write_text(json.dumps({"sessions": [session]}))
