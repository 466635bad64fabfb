"""OPCM and the continual baselines it is compared with, imported on first use."""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.method.opcm.opcm import OPCMForCLIP
    from fusion_bench.method.opcm.opcm_general import OPCM
    from fusion_bench.method.opcm.task_arithmetic import ContinualTaskArithmetic, ContinualTaskArithmeticForCLIP
    from fusion_bench.method.opcm.ties_merging import ContinualTiesMerging, ContinualTiesMergingForCLIP
    from fusion_bench.method.opcm.weight_average import ContinualWeightAverage, ContinualWeightAverageForCLIP

__all__ = [
    "OPCM",
    "ContinualTaskArithmetic",
    "ContinualTaskArithmeticForCLIP",
    "ContinualTiesMerging",
    "ContinualTiesMergingForCLIP",
    "ContinualWeightAverage",
    "ContinualWeightAverageForCLIP",
    "OPCMForCLIP",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "OPCM": "fusion_bench.method.opcm.opcm_general",
        "ContinualTaskArithmetic": "fusion_bench.method.opcm.task_arithmetic",
        "ContinualTaskArithmeticForCLIP": "fusion_bench.method.opcm.task_arithmetic",
        "ContinualTiesMerging": "fusion_bench.method.opcm.ties_merging",
        "ContinualTiesMergingForCLIP": "fusion_bench.method.opcm.ties_merging",
        "ContinualWeightAverage": "fusion_bench.method.opcm.weight_average",
        "ContinualWeightAverageForCLIP": "fusion_bench.method.opcm.weight_average",
        "OPCMForCLIP": "fusion_bench.method.opcm.opcm",
    },
)
