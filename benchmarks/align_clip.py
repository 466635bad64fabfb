"""Time and memory of aligning two CLIP vision towers by weights and activations.

The second tower is the first with its units in another order and noise on every tensor, so that the right answer is
known. Images are random. Memory is what the process owns at its peak, above what it owns with both towers loaded;
pages of memory-mapped files are the file system's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.memory import anonymous_bytes, watched_peak
from fusion_bench.method.mudsc import MuDSCAlign
from fusion_bench.modelpool import BaseModelPool
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permuting import permuted_params, random_permutations
from fusion_bench.utils.memory import release_free_memory

NOISE = 0.1


def save_towers(directory: Path, layers: int, residual: bool) -> None:
    """Write two towers of the width of CLIP-ViT-B/32."""
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


def main() -> None:
    """Print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--residual", action="store_true")
    parser.add_argument("--statistics", choices=("none", "repair"), default="none", help="after merging")
    options = parser.parse_args()
    images = torch.randn(options.images, 3, 224, 224)
    with tempfile.TemporaryDirectory() as directory:
        save_towers(Path(directory), options.layers, options.residual)
        models = {name: f"{directory}/{name}" for name in ("first", "second")}
        measure(options, BaseModelPool(models, train_datasets=dict.fromkeys(models, images)), images)


def measure(options: argparse.Namespace, pool: BaseModelPool, images: Tensor) -> None:
    """Align the towers of the pool, and print what it took."""
    held = list(pool.models())
    release_free_memory()
    before = anonymous_bytes()
    held.clear()
    release_free_memory()
    start = time.perf_counter()
    method = MuDSCAlign(statistics=options.statistics, residual=options.residual)
    with watched_peak() as peak:
        merged = method.run(pool)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        same, mixed = (model(images[:4]).pooler_output for model in (pool.load_model("first"), merged))
    print(f"{options.layers} layers, {options.images} images: {seconds:.1f} s on {torch.get_num_threads()} threads")
    print(f"memory above both towers: {(peak[0] - before) / 2**30:.2f} GiB")
    likeness = float(torch.cosine_similarity(same, mixed).mean())
    print(f"cosine of the merged tower's outputs with the first's: {likeness:.4f}")


if __name__ == "__main__":
    main()
