"""Model pools, imported on first use."""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.modelpool.base_pool import BaseModelPool
    from fusion_bench.modelpool.clip_vision import CLIPVisionModelPool
    from fusion_bench.modelpool.image_classification import ImageClassificationModelPool

__all__ = ["BaseModelPool", "CLIPVisionModelPool", "ImageClassificationModelPool"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BaseModelPool": "fusion_bench.modelpool.base_pool",
        "CLIPVisionModelPool": "fusion_bench.modelpool.clip_vision",
        "ImageClassificationModelPool": "fusion_bench.modelpool.image_classification",
    },
)
