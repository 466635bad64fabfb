"""The permutation spec of ``ResNetForImageClassification`` of transformers, with basic and bottleneck blocks."""

from __future__ import annotations

import re

from torch import nn

from fusion_bench.models.permutation_spec import PermutationSpec
from fusion_bench.models.permutation_specs.residual_cnn import Block, residual_cnn

BLOCK = re.compile(r"resnet\.encoder\.stages\.\d+\.layers\.\d+")


def spec_of(model: nn.Module) -> PermutationSpec:
    """The groups of the residual network; a stream begins wherever a shortcut has a convolution."""
    names = [name for name, _ in model.named_modules() if BLOCK.fullmatch(name)]
    stem = "resnet.embedder.embedder"
    return residual_cnn(
        model,
        stem=(f"{stem}.convolution", f"{stem}.normalization"),
        blocks=[_block(name, dict(model.named_modules())) for name in names],
        pool="resnet.pooler",
        head="classifier.1",
    )


def _block(name: str, submodules: dict[str, nn.Module]) -> Block:
    layers = [f"{name}.layer.{number}" for number, _ in enumerate(submodules[f"{name}.layer"].children())]
    shortcut = f"{name}.shortcut.convolution"
    return Block(
        convolutions=[f"{layer}.convolution" for layer in layers],
        norms=[f"{layer}.normalization" for layer in layers],
        shortcut=(shortcut, f"{name}.shortcut.normalization") if shortcut in submodules else None,
    )
