"""Two fine-tuned CLIP vision towers of tiny8, one with its units in a random order, which alignment must undo.

python examples/mudsc/scrambled.py prints the accuracy of the average of the towers as they are, of the average after
the second one was scrambled, and of the merged towers after alignment.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fusion_bench.method.aligned import AlignedAlgorithm
from fusion_bench.method.mudsc import ActivationAlign, MuDSCAlign, PlainAverage, WeightAlign
from fusion_bench.modelpool import CLIPVisionModelPool
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permuting import permuted_params, random_permutations
from fusion_bench.taskpool import CLIPVisionModelTaskPool

BASE = "tiny8/clip-vit-tiny"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs=2, default=["fashion", "mnist"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=200, help="on which activations are compared")
    options = parser.parse_args()
    torch.set_num_threads(2)
    logging.getLogger("fusion_bench").setLevel(logging.ERROR)
    first, second = options.tasks
    towers = {task: f"{BASE}_{task}" for task in options.tasks}
    plain = CLIPVisionModelPool({"_pretrained_": BASE, **towers})
    tasks = CLIPVisionModelTaskPool(
        {task: {"dataset": f"tiny8/{task}", "classnames": f"tiny8/{task}"} for task in options.tasks}, base_model=BASE
    )
    print("| | " + " | ".join(options.tasks) + " | largest difference of a weight from the average |")
    print("|---|---|---|---|")
    average = PlainAverage(statistics="none").run(plain)
    show("average of the towers as they are", average, tasks, average.state_dict())
    for residual in (False, True):
        scrambled = scrambled_tower(plain, second, residual, options.seed)
        pool = CLIPVisionModelPool(
            {"_pretrained_": BASE, first: towers[first], second: scrambled},
            train_datasets={task: f"tiny8/{task}" for task in options.tasks},
        )
        what = "scrambled, residual stream too" if residual else "scrambled"
        methods: dict[str, AlignedAlgorithm] = {
            "average": PlainAverage(statistics="none"),
            "weight alignment": WeightAlign(statistics="none", residual=residual),
            "activation alignment": ActivationAlign(statistics="none", residual=residual, images=options.images),
            "MuDSC-Align 0.5": MuDSCAlign(statistics="none", residual=residual, images=options.images),
        }
        for name, method in methods.items():
            show(f"{what}: {name}", method.run(pool), tasks, average.state_dict())


def scrambled_tower(pool: CLIPVisionModelPool, name: str, residual: bool, seed: int) -> nn.Module:
    """A tower of the pool whose units stand in a random order that its permutation spec allows."""
    tower = pool.load_model(name)
    spec, params = spec_for(tower, residual=residual), tower.state_dict()
    order = random_permutations(spec, params, torch.Generator().manual_seed(seed))
    tower.load_state_dict(permuted_params(params, spec, order))
    return tower


def show(name: str, model: nn.Module, tasks: CLIPVisionModelTaskPool, average: Mapping[str, Tensor]) -> None:
    report = tasks.evaluate(model)
    pairs = ((tensor, average[key]) for key, tensor in model.state_dict().items() if tensor.is_floating_point())
    furthest = max(float((one.float() - other.float()).abs().max()) for one, other in pairs)
    cells = [f"{100 * score.accuracy:.2f}" for score in report.scores.values()]
    print(f"| {name} | {' | '.join(cells)} | {furthest:.1e} |", flush=True)


if __name__ == "__main__":
    main()
