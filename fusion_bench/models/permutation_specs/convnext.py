"""The permutation spec of ``ConvNextForImageClassification`` of transformers."""

from __future__ import annotations

from torch import nn

from fusion_bench.models.permutation_spec import Group, PermutationSpec, Tap, into, norm, out, present

STAGES = "convnext.encoder.stages"


def spec_of(model: nn.Module) -> PermutationSpec:
    """One residual stream a stage, whose units the depthwise convolutions keep apart, and one group a layer's MLP."""
    params = model.state_dict()
    stages = [
        (f"{STAGES}.{number}", len(list(stage.get_submodule("layers").children())))
        for number, stage in enumerate(model.get_submodule(STAGES).children())
    ]
    groups: dict[str, Group] = {}
    for number, (stage, depth) in enumerate(stages):
        layers = [f"{stage}.layers.{layer}" for layer in range(depth)]
        start = "convnext.embeddings.patch_embeddings" if number == 0 else f"{stage}.downsampling_layer.1"
        members = out(f"{start}.weight", f"{start}.bias")
        taps = [Tap(module=f"{layer}.dwconv") for layer in layers]
        if number == 0:
            members += norm("convnext.embeddings.layernorm", params)
        for layer in layers:
            members += out(f"{layer}.dwconv.weight", f"{layer}.dwconv.bias") + norm(f"{layer}.layernorm", params)
            members += into(f"{layer}.pwconv1.weight") + out(f"{layer}.pwconv2.weight", f"{layer}.pwconv2.bias")
            members += present(out(f"{layer}.layer_scale_parameter"), params)
        if number + 1 < len(stages):
            reader = f"{stages[number + 1][0]}.downsampling_layer"
            members += norm(f"{reader}.0", params) + into(f"{reader}.1.weight")
            taps.append(Tap(module=f"{reader}.0"))
        else:
            members += norm("convnext.layernorm", params) + into("classifier.weight")
            taps.append(Tap(module="convnext.layernorm", dim=-1))
        groups[f"res.{number}"] = Group(
            members=tuple(members), taps=tuple(taps), published_taps=(taps[-1],), residual=True
        )
        for layer in layers:
            made = out(f"{layer}.pwconv1.weight", f"{layer}.pwconv1.bias")
            reading = into(f"{layer}.pwconv2.weight")
            name = layer.removeprefix(f"{STAGES}.").replace(".layers", "")
            groups[f"mlp.{name}"] = Group(members=(*made, *reading), taps=(Tap(module=f"{layer}.pwconv2", dim=-1),))
    return PermutationSpec(groups=groups, untouched=("classifier.bias",))
