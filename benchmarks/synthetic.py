"""Write synthetic CLIP vision checkpoints in HF format: a random base, and models that differ from it by task vectors.

The task vectors of matrices have singular values that fall like 1/√i, as those of fine-tuned models roughly do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModel

_BASE = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
SIZES = {
    "base": {**_BASE, "patch_size": 32},
    "base16": {**_BASE, "patch_size": 16},
    "large14": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "patch_size": 14,
    },
    "wide512": {**_BASE, "hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8, "patch_size": 32},
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "patch_size": 32,
    },
}


def vision_config(size: str) -> CLIPVisionConfig:
    """The configuration of the vision tower of CLIP-ViT-B/32, B/16 or L/14, or of a small one of the same kind."""
    return CLIPVisionConfig(image_size=224, projection_dim=512, **SIZES[size])


def parameters(config: CLIPVisionConfig) -> dict[str, torch.Size]:
    """Shapes of the floating-point tensors that a checkpoint stores, by name."""
    with torch.device("meta"):
        model = CLIPVisionModel(config)
    return {name: tensor.shape for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


def random_base(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """A tensor of the size pretrained ones have."""
    return 0.02 * torch.randn(shape, generator=generator)


def task_vector(shape: torch.Size, scale: float, generator: torch.Generator) -> Tensor:
    """A change whose entries are about ``scale`` in size; its singular values fall where it is a matrix."""
    if len(shape) != 2:
        return scale * torch.randn(shape, generator=generator)
    rank = min(shape)
    weights = 1 / torch.arange(1, rank + 1).sqrt()
    left = torch.randn(shape[0], rank, generator=generator) * (scale * weights / weights.norm())
    change: Tensor = left @ torch.randn(rank, shape[1], generator=generator)
    return change


def write_checkpoint(directory: Path, config: CLIPVisionConfig, tensors: dict[str, Tensor]) -> None:
    """Write ``config.json`` and ``model.safetensors``."""
    directory.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(directory)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def write_suite(directory: Path, models: int, size: str, scale: float, seed: int) -> None:
    """Write ``_pretrained_`` and ``task_0`` … into ``directory``."""
    config = vision_config(size)
    config.architectures = ["CLIPVisionModel"]
    shapes = parameters(config)
    generator = torch.Generator().manual_seed(seed)
    base = {name: random_base(shape, generator) for name, shape in shapes.items()}
    write_checkpoint(directory / "_pretrained_", config, base)
    for index in range(models):
        tuned = {name: base[name] + task_vector(shape, scale, generator) for name, shape in shapes.items()}
        write_checkpoint(directory / f"task_{index}", config, tuned)


def main() -> None:
    """Write a suite as the command line describes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where to write the checkpoints")
    parser.add_argument("--models", type=int, default=4, help="models besides the base (default: 4)")
    parser.add_argument("--size", choices=sorted(SIZES), default="base", help="base: CLIP-ViT-B/32; tiny: seconds")
    parser.add_argument("--scale", type=float, default=1e-3, help="size of the changes (default: 1e-3)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_suite(options.directory, options.models, options.size, options.scale, options.seed)
    print(f"wrote {options.models} models and their base to {options.directory}")


if __name__ == "__main__":
    main()
