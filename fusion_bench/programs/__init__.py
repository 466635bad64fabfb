"""Programs, the only code that sees the whole configuration; imported on first use."""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.programs.finetune import FineTuneProgram
    from fusion_bench.programs.fusion import FabricModelFusionProgram
    from fusion_bench.programs.merge import merge_and_evaluate
    from fusion_bench.programs.merge_orders import merge_in_orders

__all__ = ["FabricModelFusionProgram", "FineTuneProgram", "merge_and_evaluate", "merge_in_orders"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "FabricModelFusionProgram": "fusion_bench.programs.fusion",
        "FineTuneProgram": "fusion_bench.programs.finetune",
        "merge_and_evaluate": "fusion_bench.programs.merge",
        "merge_in_orders": "fusion_bench.programs.merge_orders",
    },
)
