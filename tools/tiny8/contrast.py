"""The two towers' embeddings and the loss that brings them together (Radford et al., 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name of this module
from torch import Tensor

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer

MAX_SCALE = 100.0  # of the logits


def embed_images(model: CLIPModel, inputs: Tensor) -> Tensor:
    """Unit embeddings of images, ``(n, dimension)``."""
    return F.normalize(model.visual_projection(model.vision_model(inputs).pooler_output).float(), dim=-1)


def embed_tokens(model: CLIPModel, ids: Tensor, mask: Tensor) -> Tensor:
    """Unit embeddings of texts, ``(n, dimension)``; columns that are padding in every row are left out."""
    length = int(mask.sum(1).max())
    pooled = model.text_model(input_ids=ids[:, :length], attention_mask=mask[:, :length]).pooler_output
    return F.normalize(model.text_projection(pooled).float(), dim=-1)


def contrastive_loss(logits: Tensor, caption_of_image: Tensor) -> Tensor:
    """Mean of both cross entropies of an (images, captions) matrix in which several images may share a caption."""
    shares = F.one_hot(caption_of_image, logits.shape[1]).float()
    shares = (shares / shares.sum(0)).T
    from_captions = -(shares * F.log_softmax(logits.T, dim=1)).sum(1).mean()
    return (F.cross_entropy(logits, caption_of_image) + from_captions) / 2


@torch.no_grad()
def zero_shot_head(
    model: CLIPModel, tokenizer: CLIPTokenizer, classes: Sequence[str], templates: Sequence[str]
) -> Tensor:
    """One unit vector a class, ``(classes, dimension)``: the normalised mean of its prompts' embeddings."""
    rows = []
    for name in classes:
        texts = [template.format(name) for template in templates]
        tokens = tokenizer(texts, padding=True, return_tensors="pt")
        rows.append(F.normalize(embed_tokens(model, tokens["input_ids"], tokens["attention_mask"]).mean(0), dim=-1))
    return torch.stack(rows)
