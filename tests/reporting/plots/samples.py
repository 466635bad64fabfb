"""Every kind of figure from made-up numbers, for any list of tasks."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from fusion_bench.reporting.plots.accuracy import accuracy_matrix, accuracy_over_steps, task_accuracy_over_steps
from fusion_bench.reporting.plots.spread import alpha_ablation, order_spread
from fusion_bench.reporting.plots.tasks import forgetting_per_task, radar
from fusion_bench.reporting.plots.trace import lambda_over_steps, split_ranks, task_vector_norms
from fusion_bench.reporting.plots.vectors import cosine_similarity, singular_value_spectra

TASKS_20 = [
    *("sun397", "stanford-cars", "resisc45", "eurosat", "svhn", "gtsrb", "mnist", "dtd", "oxford_flowers102", "pcam"),
    *("fer2013", "oxford-iiit-pet", "stl10", "cifar100", "cifar10", "food101", "fashion_mnist", "emnist_letters"),
    *("kmnist", "rendered-sst2"),
]
METHODS = ["opcm/opcm", "opcm/opcm, zero_diagonal false", "opcm/task_arithmetic", "opcm/ties_merging", "$\\x_{$", "_a"]
_LAYERS = [f"encoder.layers.{depth}.{kind}.weight" for depth in range(12) for kind in ("self_attn.q_proj", "mlp.fc1")]


def every_figure(tasks: Sequence[str], methods: Sequence[str] = METHODS) -> dict[str, Figure]:
    """A figure of each kind, by name."""
    count = len(tasks)
    lines = {
        method: [0.9 - 0.03 * place - 0.01 * step for step in range(count)] for place, method in enumerate(methods)
    }
    by_task = {method: dict.fromkeys(tasks, 0.8 - 0.05 * place) for place, method in enumerate(methods)}
    matrix = [[0.9 - 0.01 * step if column <= step else None for column in range(count)] for step in range(count)]
    norms = [2 + 0.1 * place for place in range(count)]
    spectra = {layer: {task: [math.exp(-i / 20) for i in range(60)] for task in tasks} for layer in _LAYERS[:4]}
    cosines = [[1.0 if row == column else 0.05 for column in range(count)] for row in range(count)]
    orders = {method: [0.6 + 0.01 * place, 0.61 + 0.01 * place] for place, method in enumerate(methods)}
    points = {method: dict.fromkeys((0.0, 0.5, 1.0), values) for method, values in orders.items()}
    return {
        "steps": accuracy_over_steps(lines, {method: [0.01] * count for method in methods}),
        "matrix": accuracy_matrix(matrix, tasks, tasks),
        "tasks": task_accuracy_over_steps(matrix, tasks, tasks),
        "forgetting": forgetting_per_task(by_task, by_task),
        "radar": radar(by_task, {"individual models": dict.fromkeys(tasks, 0.9)}),
        "lambda": lambda_over_steps({method: [math.sqrt(step + 1) for step in range(count)] for method in methods}),
        "norms": task_vector_norms(tasks, norms, norms, norms),
        "ranks": split_ranks({layer: [None, *range(1, count)] for layer in _LAYERS}),
        "spectra": singular_value_spectra(spectra),
        "cosines": cosine_similarity(tasks, cosines),
        "orders": order_spread(orders),
        "ablation": alpha_ablation({"ACC (%)": points, "BWT (points)": points}),
    }
