"""The permutation spec of vision transformers in the layout of timm, with queries, keys and values in one layer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from fusion_bench.functional.permutation import Member
from fusion_bench.models.permutation_spec import Group, Output, PermutationSpec, Tap, into, norm, out, present
from fusion_bench.models.permutation_specs.transformer import made


def has_layout(params: Mapping[str, Tensor]) -> bool:
    """Whether a model has the names of this layout."""
    return "blocks.0.attn.qkv.weight" in params and "patch_embed.proj.weight" in params


def spec_of(model: nn.Module) -> PermutationSpec:
    """Heads and MLP units of every block, and the residual stream; rows of ``qkv`` are thirds, for q, k and v."""
    params = model.state_dict()
    blocks = [f"blocks.{number}" for number, _ in enumerate(model.get_submodule("blocks").children())]
    members = present(out("cls_token", "reg_token", "dist_token", "pos_embed", axis=2), params)
    members += made("patch_embed.proj", params) + norm("norm_pre", params)
    groups: dict[str, Group] = {"res": Group(members=())}
    taps = []
    for number, block in enumerate(blocks):
        members += (
            norm(f"{block}.norm1", params) + into(f"{block}.attn.qkv.weight") + made(f"{block}.attn.proj", params)
        )
        members += norm(f"{block}.norm2", params) + into(f"{block}.mlp.fc1.weight") + made(f"{block}.mlp.fc2", params)
        members += present(out(f"{block}.ls1.gamma", f"{block}.ls2.gamma"), params)
        taps += [Tap(module=f"{block}.norm1", dim=-1), Tap(module=f"{block}.norm2", dim=-1)]
        groups |= _block_groups(number, block, model)
    members += norm("norm", params) + norm("fc_norm", params)
    headless = "head.weight" not in params
    members += [] if headless else into("head.weight")
    groups["res"] = Group(
        members=tuple(members),
        taps=(*taps, Tap(module="norm", dim=-1)),
        published_taps=(Tap(module="head", dim=-1),),
        residual=True,
    )
    return PermutationSpec(groups=groups, untouched=("head.bias",), outputs=(Output(group="res"),) if headless else ())


def _block_groups(number: int, block: str, model: nn.Module) -> dict[str, Group]:
    params = model.state_dict()
    attention = model.get_submodule(f"{block}.attn")
    heads: int = attention.num_heads  # type: ignore[assignment]  # modules are typed as tensors
    qkv, tie = f"{block}.attn.qkv", f"heads.{number}"
    width = len(params[f"{qkv}.weight"]) // 3

    def rows(third: int) -> list[Member]:
        members = out(f"{qkv}.weight", f"{qkv}.bias", start=third * width, stop=(third + 1) * width)
        return present(members, params)

    thirds = (Tap(module=qkv, side="out", dim=-1, start=start, stop=start + width) for start in (0, width))
    published = [Tap(module=f"{block}.attn.k_norm", side="out", dim=(1, 3))] if hasattr(attention, "k_norm") else []
    value = (*rows(2), *into(f"{block}.attn.proj.weight"))
    hidden = (*made(f"{block}.mlp.fc1", params), *into(f"{block}.mlp.fc2.weight"))
    return {
        f"qk.{number}": Group(
            members=(*rows(0), *rows(1)), blocks=heads, tie=tie, taps=tuple(thirds), published_taps=tuple(published)
        ),
        f"vo.{number}": Group(members=value, blocks=heads, tie=tie, taps=(Tap(module=f"{block}.attn.proj", dim=-1),)),
        f"mlp.{number}": Group(members=hidden, taps=(Tap(module=f"{block}.mlp.fc2", dim=-1),)),
    }
