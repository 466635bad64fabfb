"""Contrastive pretraining on captions, and fine-tuning of the vision tower against a frozen zero-shot head."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name of this module
from torch import Tensor, nn
from tqdm import tqdm

from fusion_bench.dataset.registry import ClassNames
from tools.local_suite.clip import MEAN, STD
from tools.local_suite.images import Captioned, Images, Pixels
from tools.local_suite.suite import prompts
from tools.local_suite.tokenizer import TEXT_LENGTH

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """AdamW with a linear warm-up and cosine decay."""

    steps: int
    batch_size: int
    learning_rate: float
    warm_up: int
    weight_decay: float = 0.0


PRETRAINING = Recipe(steps=550, batch_size=128, learning_rate=1.5e-3, warm_up=60, weight_decay=0.1)
FINE_TUNING = Recipe(steps=160, batch_size=64, learning_rate=5e-4, warm_up=20)


def to_inputs(pixels: Pixels) -> Tensor:
    """Normalised RGB inputs, (n, 3, 32, 32), of grey pixels, as the image processor makes them."""
    grey = (torch.from_numpy(pixels).float() / 255 - MEAN) / STD
    return grey.unsqueeze(1).expand(-1, 3, -1, -1)


def augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Each image shifted by up to 10 %, scaled by up to 10 % and turned by up to 0.1 rad."""

    def uniform(limit: float) -> Tensor:
        return (2 * torch.rand(len(inputs), generator=generator) - 1) * limit

    angle, width, height = uniform(0.1), 1 + uniform(0.1), 1 + uniform(0.1)
    rows = (
        torch.stack([width * angle.cos(), -angle.sin(), uniform(0.1)], 1),
        torch.stack([angle.sin(), height * angle.cos(), uniform(0.1)], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), list(inputs.shape), align_corners=False)
    return F.grid_sample(inputs, grid, padding_mode="border", align_corners=False)


def optimise(parameters: Sequence[Tensor], recipe: Recipe, loss_of_step: Callable[[], Tensor], title: str) -> None:
    """Minimise ``loss_of_step()`` in place."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / recipe.warm_up) * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    bar = tqdm(range(recipe.steps), desc=title, unit="step", mininterval=1.0)
    for _ in bar:
        loss = loss_of_step()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)


def embed_texts(model: CLIPModel, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """Unit embeddings of texts, (n, dimension)."""
    tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=TEXT_LENGTH, return_tensors="pt")
    pooled = model.text_model(**tokens).pooler_output
    return F.normalize(model.text_projection(pooled), dim=-1)


def embed_images(model: CLIPModel, inputs: Tensor) -> Tensor:
    """Unit embeddings of images, (n, dimension)."""
    return F.normalize(model.visual_projection(model.vision_model(inputs).pooler_output), dim=-1)


def contrastive_loss(logits: Tensor, caption_of_image: Tensor) -> Tensor:
    """Mean of both cross entropies of an (images, captions) matrix in which several images may share a caption."""
    shares = F.one_hot(caption_of_image, logits.shape[1]).float()
    shares = (shares / shares.sum(0)).T
    from_captions = -(shares * F.log_softmax(logits.T, dim=1)).sum(1).mean()
    return (F.cross_entropy(logits, caption_of_image) + from_captions) / 2


def pretrain(model: CLIPModel, tokenizer: CLIPTokenizer, sources: Sequence[Captioned], seed: int) -> None:
    """Train both towers in place; a source is drawn in proportion to the square root of its size."""
    rng = np.random.default_rng([seed, 3])
    generator = torch.Generator().manual_seed(seed)
    inputs = to_inputs(np.concatenate([source.pixels for source in sources]))
    captions = [options for source in sources for options in source.captions]
    weights = np.concatenate([np.full(len(source.pixels), len(source.pixels) ** -0.5) for source in sources])

    def loss_of_step() -> Tensor:
        chosen = rng.choice(len(captions), PRETRAINING.batch_size, p=weights / weights.sum())
        texts = [captions[index][rng.integers(len(captions[index]))] for index in chosen]
        unique, caption_of_image = np.unique(texts, return_inverse=True)
        images = embed_images(model, augment(inputs[chosen], generator))
        logits = model.logit_scale.exp().clamp(max=100) * images @ embed_texts(model, tokenizer, unique.tolist()).T
        return contrastive_loss(logits, torch.from_numpy(caption_of_image))

    model.train()
    optimise(list(model.parameters()), PRETRAINING, loss_of_step, "pretraining")
    model.eval()


@torch.no_grad()
def zero_shot_head(model: CLIPModel, tokenizer: CLIPTokenizer, names: ClassNames) -> Tensor:
    """One unit vector a class, (classes, dimension): the normalised mean of its prompts' embeddings."""
    means = [embed_texts(model, tokenizer, prompts(names, label)).mean(0) for label in range(len(names.classnames))]
    return F.normalize(torch.stack(means), dim=-1)


def fine_tune(model: CLIPModel, head: Tensor, images: Images, title: str, seed: int) -> None:
    """Train the attention and MLP weights of the vision tower in place; everything else stays as it is."""
    rng = np.random.default_rng([seed, 4])
    generator = torch.Generator().manual_seed(seed)
    inputs, labels = to_inputs(images.pixels), torch.from_numpy(images.labels)
    scale = model.logit_scale.exp().detach()
    trained = [layer.weight for layer in model.vision_model.modules() if isinstance(layer, nn.Linear)]
    model.requires_grad_(False)
    for weight in trained:
        weight.requires_grad_(True)

    def loss_of_step() -> Tensor:
        chosen = rng.integers(len(labels), size=FINE_TUNING.batch_size)
        embeddings = embed_images(model, augment(inputs[chosen], generator))
        return F.cross_entropy(scale * embeddings @ head.T, labels[chosen])

    model.train()
    optimise(trained, FINE_TUNING, loss_of_step, title)
    model.eval()
