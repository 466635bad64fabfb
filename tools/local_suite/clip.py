"""The architecture of the tiny CLIP model, and its image processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.local_suite.images import IMAGE_SIZE
from tools.local_suite.tokenizer import TEXT_LENGTH

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer
    from transformers.models.clip import CLIPImageProcessorPil

MEAN = STD = 0.5  # of the pixels, in 0..1
_WIDTH = 96


def image_processor() -> CLIPImageProcessorPil:
    """An image processor for pictures that have the right size already."""
    from transformers.models.clip import CLIPImageProcessorPil

    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return CLIPImageProcessorPil(size=size, crop_size=size, image_mean=[MEAN] * 3, image_std=[STD] * 3)


def new_model(tokenizer: CLIPTokenizer) -> CLIPModel:
    """An untrained model: 0.5 million parameters in the vision tower, on patches of 8x8 pixels."""
    from transformers import CLIPConfig, CLIPModel

    shape = {
        "hidden_size": _WIDTH,
        "intermediate_size": 4 * _WIDTH,
        "num_attention_heads": 3,
        "hidden_act": "gelu",
        "projection_dim": _WIDTH,
    }
    text = {
        "vocab_size": len(tokenizer),
        "num_hidden_layers": 2,
        "max_position_embeddings": TEXT_LENGTH,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {"num_hidden_layers": 4, "image_size": IMAGE_SIZE, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=shape | text, vision_config=shape | vision, projection_dim=_WIDTH))
