"""A benchmark of model merging: methods, model pools, task pools and the programs that run them.

The public names below are imported on first use, so that ``import fusion_bench`` needs neither torch nor hydra.
"""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.compat import BaseModelFusionAlgorithm, auto_register_config
    from fusion_bench.method.base_algorithm import BaseAlgorithm
    from fusion_bench.modelpool.base_pool import BaseModelPool
    from fusion_bench.taskpool.base_pool import BaseTaskPool

__version__ = "0.1.0"
__all__ = [
    "BaseAlgorithm",
    "BaseModelFusionAlgorithm",
    "BaseModelPool",
    "BaseTaskPool",
    "__version__",
    "auto_register_config",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BaseAlgorithm": "fusion_bench.method.base_algorithm",
        "BaseModelFusionAlgorithm": "fusion_bench.compat",
        "BaseModelPool": "fusion_bench.modelpool.base_pool",
        "BaseTaskPool": "fusion_bench.taskpool.base_pool",
        "auto_register_config": "fusion_bench.compat",
    },
)
