"""The zero-shot head against a plain loop over classes and prompts."""

import pytest
import torch
from clip_files import DIM, HIDDEN, make_clip, make_tokenizer

from fusion_bench.models.clip_classifier import (
    classify,
    fill_templates,
    image_features,
    text_embeddings,
    zero_shot_head,
)

CLASSES = ["cat", "a much longer name", "dog", "7"]
TEMPLATES = ["a photo of a {}.", "{}", 'the {}, "drawn"']


@pytest.fixture(scope="module")
def clip():
    return make_clip()


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


def plain_head(clip, tokenizer, classes, templates):
    """One prompt at a time, no padding, written from the definition."""
    rows = []
    for name in classes:
        vectors = []
        for template in templates:
            tokens = tokenizer(template.replace("{}", name), return_tensors="pt")
            pooled = clip.text_model(tokens["input_ids"]).pooler_output[0]
            vector = clip.text_projection.weight.double() @ pooled.double()
            vectors.append(vector / vector.pow(2).sum().sqrt())
        mean = sum(vectors) / len(vectors)
        rows.append(mean / mean.pow(2).sum().sqrt())
    return torch.stack(rows)


@torch.no_grad()
def test_head_equals_a_plain_loop(clip, tokenizer):
    head = zero_shot_head(clip, tokenizer, CLASSES, TEMPLATES)
    expected = plain_head(clip, tokenizer, CLASSES, TEMPLATES)
    assert head.shape == (4, DIM)
    assert head.dtype == torch.float32
    assert not head.requires_grad
    assert (head - expected).abs().max() < 1e-6
    assert (expected @ expected.T - torch.eye(4)).abs().max() > 1e-3  # the classes are told apart


def test_the_size_of_a_batch_does_not_matter(clip, tokenizer):
    texts = [template.format(name) for name in CLASSES for template in TEMPLATES]
    whole = text_embeddings(clip, tokenizer, texts)
    assert (whole - text_embeddings(clip, tokenizer, texts, batch_size=5)).abs().max() < 1e-6


@torch.no_grad()
def test_the_model_agrees_with_its_own_logits(clip, tokenizer):
    """For one template, the logits are those CLIPModel itself computes for the prompts."""
    pixels = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    tokens = tokenizer([f"a {name}" for name in CLASSES], padding=True, return_tensors="pt")
    expected = clip(pixel_values=pixels, **tokens).logits_per_image
    head = zero_shot_head(clip, tokenizer, CLASSES, ["a {}"])
    features = image_features(clip.vision_model, clip.visual_projection.weight, pixels)
    assert features.norm(dim=-1).tolist() == pytest.approx([1, 1, 1])
    assert torch.allclose(classify(features, head, clip.logit_scale), expected, atol=1e-4)


def test_long_prompts_are_cut_and_keep_their_end(clip, tokenizer):
    head = zero_shot_head(clip, tokenizer, ["x" * 200, "y" * 200], ["{}"])
    assert torch.isfinite(head).all()
    assert not torch.equal(head[0], head[1])


def test_autocast_touches_neither_head_nor_logits(clip, tokenizer):
    expected = zero_shot_head(clip, tokenizer, CLASSES, TEMPLATES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(zero_shot_head(clip, tokenizer, CLASSES, TEMPLATES), expected)
        assert classify(torch.rand(2, DIM), expected, torch.tensor(1.0)).dtype == torch.float32


def test_a_tower_of_another_width_is_an_error(clip):
    other = make_clip(hidden=2 * HIDDEN).vision_model
    with pytest.raises(ValueError, match="has hidden size 64, but the visual projection of the CLIP model takes 32"):
        image_features(other, clip.visual_projection.weight, torch.rand(1, 3, 16, 16))


@pytest.mark.parametrize("template", ["a photo", "{} and {}", "{name}", "{0}", "{} {name}"])
def test_templates_need_one_placeholder(template):
    with pytest.raises(ValueError, match=r"must hold '\{\}' once"):
        fill_templates("cat", [template])


def test_empty_lists_are_errors(clip, tokenizer):
    with pytest.raises(ValueError, match="at least one prompt template"):
        zero_shot_head(clip, tokenizer, CLASSES, [])
    with pytest.raises(ValueError, match="at least one class name"):
        zero_shot_head(clip, tokenizer, [], TEMPLATES)


def test_class_names_may_hold_braces():
    assert fill_templates("a{}b", ["x {}"]) == ["x a{}b"]
