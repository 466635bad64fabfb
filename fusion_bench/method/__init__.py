"""Merging methods, one family a module or folder; the shared bases are imported on first use."""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.method.base_algorithm import BaseAlgorithm
    from fusion_bench.method.continual import ContinualAlgorithm
    from fusion_bench.method.one_shot import OneShotAlgorithm

__all__ = ["BaseAlgorithm", "ContinualAlgorithm", "OneShotAlgorithm"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BaseAlgorithm": "fusion_bench.method.base_algorithm",
        "ContinualAlgorithm": "fusion_bench.method.continual",
        "OneShotAlgorithm": "fusion_bench.method.one_shot",
    },
)
