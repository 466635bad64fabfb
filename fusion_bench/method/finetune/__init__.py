"""Fine-tuning of the models that are merged later, imported on first use."""

from typing import TYPE_CHECKING

from fusion_bench.utils.lazy import lazy_names

if TYPE_CHECKING:
    from fusion_bench.method.finetune.clip_vision import FineTuneClipVision

__all__ = ["FineTuneClipVision"]

__getattr__, __dir__ = lazy_names(__name__, {"FineTuneClipVision": "fusion_bench.method.finetune.clip_vision"})
