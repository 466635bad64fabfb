"""The permutation spec of :class:`fusion_bench.models.cifar_resnet.CifarResNet`, with either normalisation."""

from __future__ import annotations

from torch import nn

from fusion_bench.models.permutation_spec import PermutationSpec
from fusion_bench.models.permutation_specs.residual_cnn import Block, residual_cnn


def spec_of(model: nn.Module) -> PermutationSpec:
    """The groups of the residual network; a stream begins at each convolution in a shortcut."""
    names = [name.removesuffix(".conv1") for name, _ in model.named_modules() if name.endswith(".conv1")]
    submodules = dict(model.named_modules())
    blocks = [
        Block(
            convolutions=(f"{name}.conv1", f"{name}.conv2"),
            norms=(f"{name}.bn1", f"{name}.bn2"),
            shortcut=(f"{name}.shortcut.0", f"{name}.shortcut.1") if f"{name}.shortcut.0" in submodules else None,
        )
        for name in names
    ]
    return residual_cnn(model, stem=("conv1", "bn1"), blocks=blocks, pool="avgpool", head="linear")
