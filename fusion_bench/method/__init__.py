"""Merging methods, one family a module or folder, imported on first use."""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.method.base_algorithm import BaseAlgorithm
    from fusion_bench.method.continual import ContinualAlgorithm
    from fusion_bench.method.dummy import Dummy
    from fusion_bench.method.one_shot import OneShotAlgorithm
    from fusion_bench.method.simple_average import SimpleAverage
    from fusion_bench.method.task_arithmetic import TaskArithmetic
    from fusion_bench.method.ties_merging import TiesMerging
    from fusion_bench.method.weighted_average import WeightedAverage

__all__ = [
    "BaseAlgorithm",
    "ContinualAlgorithm",
    "Dummy",
    "OneShotAlgorithm",
    "SimpleAverage",
    "TaskArithmetic",
    "TiesMerging",
    "WeightedAverage",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BaseAlgorithm": "fusion_bench.method.base_algorithm",
        "ContinualAlgorithm": "fusion_bench.method.continual",
        "Dummy": "fusion_bench.method.dummy",
        "OneShotAlgorithm": "fusion_bench.method.one_shot",
        "SimpleAverage": "fusion_bench.method.simple_average",
        "TaskArithmetic": "fusion_bench.method.task_arithmetic",
        "TiesMerging": "fusion_bench.method.ties_merging",
        "WeightedAverage": "fusion_bench.method.weighted_average",
    },
)
