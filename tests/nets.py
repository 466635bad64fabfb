"""Small networks of every family that has a permutation spec, with inputs that fit them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from fusion_bench.models.cifar_resnet import CifarResNet
from fusion_bench.models.mlp import MLP
from fusion_bench.models.vgg import VGG


class FusedAttention(nn.Module):
    """Attention in the layout of timm, with the norms of queries and keys that do nothing."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm, self.k_norm = nn.Identity(), nn.Identity()
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, length, width = tokens.shape
        split = self.qkv(tokens).reshape(batch, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = self.q_norm(split[0]), self.k_norm(split[1]), split[2]
        mixed = scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))


class FusedBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = FusedAttention(width, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 2 * width), "fc2": nn.Linear(2 * width, width)})

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp["fc2"](nn.functional.gelu(self.mlp["fc1"](self.norm2(tokens))))


class FusedViT(nn.Module):
    """A vision transformer in the layout of timm."""

    def __init__(self, width: int = 24, heads: int = 3, depth: int = 2, outputs: int = 16, patch: int = 2) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, (8 // patch) ** 2 + 1, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, width, patch, stride=patch)})
        self.blocks = nn.ModuleList(FusedBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], dim=1) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens)[:, 0])


def hf_resnet(layer_type: str, **options) -> nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification

    sizes = {"embedding_size": 8, "hidden_sizes": [16, 24], "depths": [2, 2], "num_labels": 3}
    return ResNetForImageClassification(ResNetConfig(layer_type=layer_type, **sizes, **options))


def hf_convnext() -> nn.Module:
    from transformers import ConvNextConfig, ConvNextForImageClassification

    sizes = {"hidden_sizes": [8, 12], "depths": [1, 2], "num_stages": 2, "num_labels": 3}
    return ConvNextForImageClassification(ConvNextConfig(**sizes))


def transformer_sizes() -> dict[str, int]:
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24}
    return sizes | {"image_size": 16, "patch_size": 8}


def hf_vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    return ViTForImageClassification(ViTConfig(**transformer_sizes(), num_labels=3))


def clip_tower() -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(CLIPVisionConfig(**transformer_sizes()))


def clip_with_projection() -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(CLIPVisionConfig(**transformer_sizes(), projection_dim=5))


# A network, and the shape of one of its inputs.
FAMILIES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: MLP(9, [8, 6], 3), (9,)),
    "vgg": (lambda: VGG([[4, 6], [8]], 8, 3, in_channels=1, hidden=[5]), (1, 8, 8)),
    "vgg_plain": (lambda: VGG([[4], [6]], 8, 3, in_channels=1, batch_norm=False), (1, 8, 8)),
    "resnet_bn": (lambda: CifarResNet((4, 6, 8), (2, 2, 1), 3, 1), (1, 8, 8)),
    "resnet_gn": (lambda: CifarResNet((8, 12, 16), (1, 2, 1), 3, 1, norm_groups=4), (1, 8, 8)),
    "hf_resnet_basic": (lambda: hf_resnet("basic"), (3, 32, 32)),
    "hf_resnet_bottleneck": (lambda: hf_resnet("bottleneck"), (3, 32, 32)),
    "hf_resnet_down": (lambda: hf_resnet("basic", downsample_in_first_stage=True), (3, 32, 32)),
    "convnext": (hf_convnext, (3, 32, 32)),
    "vit": (hf_vit, (3, 16, 16)),
    "clip": (clip_tower, (3, 16, 16)),
    "clip_projection": (clip_with_projection, (3, 16, 16)),
    "timm": (lambda: FusedViT(12, 3, 2, 5), (1, 8, 8)),
}


def make_net(family: str, seed: int = 0) -> nn.Module:
    """A network in eval mode; global random state is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return FAMILIES[family][0]().eval()


def inputs_for(family: str, images: int = 3, seed: int = 0) -> Tensor:
    """A batch of random inputs."""
    return torch.randn(images, *FAMILIES[family][1], generator=torch.Generator().manual_seed(seed))
