"""The permutation specs of ``CLIPVisionModel`` and ``CLIPVisionModelWithProjection`` of transformers."""

from __future__ import annotations

from typing import Any

from torch import nn

from fusion_bench.models.permutation_spec import Group, Output, PermutationSpec, Tap, into, norm, out
from fusion_bench.models.permutation_specs.transformer import Layer, layer_groups, stream_members, stream_taps


def spec_of(model: nn.Module) -> PermutationSpec:
    """Heads and MLP units of every layer, and the residual stream, in whose order the tower's outputs come out.

    Names follow the model: older versions of transformers, and the model with projection, put ``vision_model.`` before
    those of the tower.
    """
    params = model.state_dict()
    (anchor,) = [name for name in params if name.endswith("embeddings.class_embedding")]
    prefix = anchor.removesuffix("embeddings.class_embedding")
    config: Any = model.config
    layers = [_layer(f"{prefix}encoder.layers.{number}") for number in range(config.num_hidden_layers)]
    embeddings = f"{prefix}embeddings"
    members = out(f"{embeddings}.class_embedding", f"{embeddings}.patch_embedding.weight")
    members += out(f"{embeddings}.position_embedding.weight", axis=1) + norm(f"{prefix}pre_layrnorm", params)
    for layer in layers:
        members += stream_members(layer, params)
    members += norm(f"{prefix}post_layernorm", params)
    outputs = [Output(group="res", name="last_hidden_state")]
    if "visual_projection.weight" in params:
        members += into("visual_projection.weight")
    else:
        outputs.append(Output(group="res", name="pooler_output"))
    stream = Group(
        members=tuple(members),
        taps=stream_taps(layers, f"{prefix}post_layernorm"),
        published_taps=(Tap(module=f"{prefix}post_layernorm", side="out", dim=-1),),
        residual=True,
    )
    groups = {"res": stream}
    for number, layer in enumerate(layers):
        groups |= layer_groups(number, layer, config.num_attention_heads, params)
    return PermutationSpec(groups=groups, outputs=tuple(outputs))


def _layer(name: str) -> Layer:
    return Layer(
        query=f"{name}.self_attn.q_proj",
        key=f"{name}.self_attn.k_proj",
        value=f"{name}.self_attn.v_proj",
        output=f"{name}.self_attn.out_proj",
        first_norm=f"{name}.layer_norm1",
        second_norm=f"{name}.layer_norm2",
        fc1=f"{name}.mlp.fc1",
        fc2=f"{name}.mlp.fc2",
    )
