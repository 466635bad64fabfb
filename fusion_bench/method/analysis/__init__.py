"""Methods that measure what merging does, imported on first use."""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.method.analysis.individual import IndividualModels
    from fusion_bench.method.analysis.loss_barrier import LossBarrier
    from fusion_bench.method.analysis.loss_landscape import LossLandscape
    from fusion_bench.method.analysis.task_vectors import TaskVectorAnalysis

__all__ = ["IndividualModels", "LossBarrier", "LossLandscape", "TaskVectorAnalysis"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "IndividualModels": "fusion_bench.method.analysis.individual",
        "LossBarrier": "fusion_bench.method.analysis.loss_barrier",
        "LossLandscape": "fusion_bench.method.analysis.loss_landscape",
        "TaskVectorAnalysis": "fusion_bench.method.analysis.task_vectors",
    },
)
