"""Task pools, imported on first use."""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.taskpool.base_pool import BaseTaskPool
    from fusion_bench.taskpool.clip_vision import CLIPVisionModelTaskPool
    from fusion_bench.taskpool.dummy import DummyTaskPool
    from fusion_bench.taskpool.image_classification import ImageClassificationTaskPool

__all__ = ["BaseTaskPool", "CLIPVisionModelTaskPool", "DummyTaskPool", "ImageClassificationTaskPool"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BaseTaskPool": "fusion_bench.taskpool.base_pool",
        "CLIPVisionModelTaskPool": "fusion_bench.taskpool.clip_vision",
        "DummyTaskPool": "fusion_bench.taskpool.dummy",
        "ImageClassificationTaskPool": "fusion_bench.taskpool.image_classification",
    },
)
