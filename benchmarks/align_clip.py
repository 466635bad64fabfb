"""Time and memory of aligning two CLIP vision towers by weights and activations.

The second tower is the first with its units in another order and noise on every tensor, so that the right answer is
known. Images are random. Memory is what the process owns at its peak, above what it owns without the towers and twice
the size of one.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from fusion_bench.method.mudsc import MuDSCAlign
from fusion_bench.modelpool import BaseModelPool
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permuting import permuted_params, random_permutations

NOISE = 0.1


def save_towers(directory: Path, layers: int, residual: bool) -> float:
    """Write two towers of the width of CLIP-ViT-B/32, and give the size of one in MiB."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    config = CLIPVisionConfig(num_hidden_layers=layers)
    first, second = CLIPVisionModel(config).eval(), CLIPVisionModel(config).eval()
    spec, params = spec_for(first, residual=residual), first.state_dict()
    moved = permuted_params(params, spec, random_permutations(spec, params, generator))
    for name, tensor in moved.items():
        if tensor.is_floating_point() and tensor.dim() > 1:
            moved[name] = tensor + NOISE * tensor.std() * torch.randn(tensor.shape, generator=generator)
    second.load_state_dict(moved)
    for name, tower in (("first", first), ("second", second)):
        tower.save_pretrained(directory / name)
    return sum(tensor.numel() * tensor.element_size() for tensor in moved.values()) / 2**20


def owned_mib() -> float:
    """The memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def peak_mib() -> float:
    """The most memory this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--residual", action="store_true")
    options = parser.parse_args()
    images = torch.randn(options.images, 3, 224, 224)
    with tempfile.TemporaryDirectory() as directory:
        before = owned_mib()
        size = save_towers(Path(directory), options.layers, options.residual)
        models = {name: f"{directory}/{name}" for name in ("first", "second")}
        measure(options, BaseModelPool(models, train_datasets=dict.fromkeys(models, images)), images, before + 2 * size)


def measure(options: argparse.Namespace, pool: BaseModelPool, images: Tensor, before: float) -> None:
    """Align the towers of the pool, and print what it took above ``before`` MiB."""
    start = time.perf_counter()
    merged = MuDSCAlign(statistics="none", residual=options.residual).run(pool)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        same, mixed = (model(images[:4]).pooler_output for model in (pool.load_model("first"), merged))
    print(f"{options.layers} layers, {options.images} images: {seconds:.1f} s on {torch.get_num_threads()} threads")
    print(f"memory above both towers: {(peak_mib() - before) / 1024:.2f} GiB")
    likeness = float(torch.cosine_similarity(same, mixed).mean())
    print(f"cosine of the merged tower's outputs with the first's: {likeness:.4f}")


if __name__ == "__main__":
    main()
