"""The architecture of the tiny CLIP model, and its image processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.tiny8.tokenizer import TEXT_LENGTH

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer
    from transformers.models.clip import CLIPImageProcessorPil

IMAGE_SIZE = 32
MEAN = STD = 0.5  # of the pixels, in 0..1
PROJECTION = 128
VISION = {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 6}
TEXT = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 4}


def image_processor() -> CLIPImageProcessorPil:
    """An image processor for pictures that have the right size already."""
    from transformers.models.clip import CLIPImageProcessorPil

    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return CLIPImageProcessorPil(size=size, crop_size=size, image_mean=[MEAN] * 3, image_std=[STD] * 3)


def new_model(tokenizer: CLIPTokenizer) -> CLIPModel:
    """An untrained model: 2.7 million parameters in the vision tower, on patches of 8x8 pixels."""
    from transformers import CLIPConfig, CLIPModel

    vision = {**VISION, "image_size": IMAGE_SIZE, "patch_size": 8, "projection_dim": PROJECTION}
    text = {
        **TEXT,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": TEXT_LENGTH,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "projection_dim": PROJECTION,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=PROJECTION))
