"""Tiny CLIP models, tokenizers and images with random content, written in the layouts that users bring."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

IMAGE_SIZE = 16
PATCH_SIZE = 8
HIDDEN = 32
DIM = 24


def make_tokenizer() -> CLIPTokenizer:
    """Every printable character is a token, alone and at the end of a word."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    symbols = [*characters, *(f"{character}</w>" for character in characters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={symbol: index for index, symbol in enumerate(symbols)}, merges=[], model_max_length=48)


def make_clip(seed: int = 0, *, hidden: int = HIDDEN, patch_size: int = PATCH_SIZE) -> CLIPModel:
    """A CLIP model with random weights of visible size; global random state is left alone."""
    tokenizer = make_tokenizer()
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {"hidden_size": 16, "vocab_size": len(tokenizer), "max_position_embeddings": 48, **ids}
    vision = {"hidden_size": hidden, "image_size": IMAGE_SIZE, "patch_size": patch_size, "num_channels": 3}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = CLIPConfig(text_config={**text, **layers}, vision_config={**vision, **layers}, projection_dim=DIM)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIPModel(config)
        for parameter in model.parameters():
            if parameter.ndim:
                parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval()


def make_images(count: int, seed: int = 0, size: int = 20) -> list[Image.Image]:
    """RGB images of random bytes."""
    generator = np.random.RandomState(seed)
    return [Image.fromarray(generator.randint(0, 256, (size, size + 4, 3), dtype=np.uint8)) for _ in range(count)]


def make_rows(count: int, classes: int, seed: int = 0) -> list[dict[str, object]]:
    """Rows with an image and a random label."""
    labels = np.random.RandomState(seed + 1).randint(0, classes, count)
    return [
        {"image": image, "label": int(label)} for image, label in zip(make_images(count, seed), labels, strict=True)
    ]


def write_clip(directory: Path, seed: int = 0, **kwargs: int) -> Path:
    """A model directory with weights, tokenizer and image processor."""
    from fusion_bench.models.clip_loading import default_image_processor

    make_clip(seed, **kwargs).save_pretrained(directory)
    make_tokenizer().save_pretrained(directory)
    default_image_processor(IMAGE_SIZE).save_pretrained(directory)
    return directory
