"""The permutation spec of ``ViTForImageClassification`` of transformers."""

from __future__ import annotations

from typing import Any

from torch import nn

from fusion_bench.models.permutation_spec import Group, PermutationSpec, Tap, into, norm, out, present
from fusion_bench.models.permutation_specs.transformer import Layer, layer_groups, stream_members, stream_taps


def spec_of(model: nn.Module) -> PermutationSpec:
    """Heads and MLP units of every layer, and the residual stream from the embeddings to the classifier."""
    params = model.state_dict()
    config: Any = model.config
    layers = [_layer(f"vit.layers.{number}") for number in range(config.num_hidden_layers)]
    embeddings = "vit.embeddings"
    tokens = out(*(f"{embeddings}.{name}" for name in ("cls_token", "mask_token", "position_embeddings")), axis=2)
    projection = f"{embeddings}.patch_embeddings.projection"
    members = present(tokens, params) + present(out(f"{projection}.weight", f"{projection}.bias"), params)
    for layer in layers:
        members += stream_members(layer, params)
    members += norm("vit.layernorm", params)
    members += present(into("vit.pooler.dense.weight", "classifier.weight"), params)
    stream = Group(
        members=tuple(members),
        taps=stream_taps(layers, "vit.layernorm"),
        published_taps=(Tap(module="classifier", dim=-1),),
        residual=True,
    )
    groups = {"res": stream}
    for number, layer in enumerate(layers):
        groups |= layer_groups(number, layer, config.num_attention_heads, params)
    return PermutationSpec(groups=groups, untouched=("classifier.bias", "vit.pooler.dense.bias"))


def _layer(name: str) -> Layer:
    return Layer(
        query=f"{name}.attention.q_proj",
        key=f"{name}.attention.k_proj",
        value=f"{name}.attention.v_proj",
        output=f"{name}.attention.o_proj",
        first_norm=f"{name}.layernorm_before",
        second_norm=f"{name}.layernorm_after",
        fc1=f"{name}.mlp.fc1",
        fc2=f"{name}.mlp.fc2",
    )
