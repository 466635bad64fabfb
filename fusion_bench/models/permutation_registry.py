"""The permutation spec of a model: by its class, or as the user wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from fusion_bench.models.permutation_file import read_spec, spec_from_mapping
from fusion_bench.models.permutation_spec import PermutationSpec
from fusion_bench.models.permutation_specs import (
    cifar_resnet,
    clip_vision,
    convnext,
    hf_resnet,
    mlp,
    timm_vit,
    vgg,
    vit,
)

Builder = Callable[[nn.Module], PermutationSpec]

# By package and name of the class, so that a class of another package that happens to share a name is not taken for it.
SPECS: Mapping[tuple[str, str], Builder] = {
    ("fusion_bench", "MLP"): mlp.spec_of,
    ("fusion_bench", "VGG"): vgg.spec_of,
    ("fusion_bench", "CifarResNet"): cifar_resnet.spec_of,
    ("transformers", "ResNetForImageClassification"): hf_resnet.spec_of,
    ("transformers", "ConvNextForImageClassification"): convnext.spec_of,
    ("transformers", "ViTForImageClassification"): vit.spec_of,
    ("transformers", "CLIPVisionModel"): clip_vision.spec_of,
    ("transformers", "CLIPVisionModelWithProjection"): clip_vision.spec_of,
}
KEEPS_RESIDUAL = ("CLIPVisionModel", "CLIPVisionModelWithProjection")  # a frozen head reads their output


def spec_for(
    model: nn.Module, own: str | Path | Mapping[str, Any] | None = None, *, residual: bool | None = None
) -> PermutationSpec:
    """The permutation spec of ``model``, checked against its tensors.

    Args:
        model: any module.
        own: a spec of the user's: a YAML file, or what such a file holds; None chooses by the class of the model.
        residual: whether residual streams are permuted too. None does so, except for CLIP vision towers, whose output
            is read by a projection outside of the model.

    Raises:
        ValueError: if no spec is known for the class, with what to do, or the spec does not fit the model.
    """
    if own is None:
        spec = _builder_of(model)(model)
    else:
        spec = spec_from_mapping(own) if isinstance(own, Mapping) else read_spec(own)
    if residual is None:
        residual = own is not None or not any(cls.__name__ in KEEPS_RESIDUAL for cls in type(model).__mro__)
    spec = spec if residual else spec.without_residual()
    spec.check(model.state_dict())
    return spec


def _builder_of(model: nn.Module) -> Builder:
    for cls in type(model).__mro__:
        builder = SPECS.get((cls.__module__.partition(".")[0], cls.__name__))
        if builder is not None:
            return builder
    if timm_vit.has_layout(model.state_dict()):
        return timm_vit.spec_of
    known = ", ".join(name for _, name in SPECS)
    raise ValueError(
        f"no permutation spec is known for {type(model).__name__}; there are specs for {known} and vision transformers "
        "in the layout of timm. Write one as YAML and give its path as 'spec': for each group of units the tensors "
        "that make them (out) and those that read them (in), for example\n\n"
        "groups:\n  hidden:\n    out: [first.weight, first.bias]\n    in: [second.weight]\n"
        "    taps: [{module: second}]\nuntouched: [second.bias]\n\n"
        "fusion_bench.models.spec_validation.validate_spec(model, spec, inputs) tells whether it is right; the page "
        "'Permutation specs' of the documentation describes every key."
    )
