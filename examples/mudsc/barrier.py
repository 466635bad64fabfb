"""The loss between two fine-tuned CLIP vision towers of tiny8, one scrambled, before and after alignment.

python examples/mudsc/barrier.py --output DIR writes loss_barrier.png and loss_barrier.json.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from scrambled import BASE, scrambled_tower

from fusion_bench.method.analysis import LossBarrier
from fusion_bench.modelpool import CLIPVisionModelPool
from fusion_bench.runtime import Runtime
from fusion_bench.taskpool import CLIPVisionModelTaskPool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs=2, default=["fashion", "mnist"])
    parser.add_argument("--points", type=int, default=11)
    parser.add_argument("--output", type=Path, default=Path("outputs/examples/mudsc"))
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    first, second = options.tasks
    towers = {task: f"{BASE}_{task}" for task in options.tasks}
    scrambled = scrambled_tower(CLIPVisionModelPool(towers), second, residual=False, seed=0)
    data = {task: f"tiny8/{task}" for task in options.tasks}
    pool = CLIPVisionModelPool({first: towers[first], second: scrambled}, train_datasets=data)
    tasks = {task: {"dataset": f"tiny8/{task}", "classnames": f"tiny8/{task}"} for task in options.tasks}
    options.output.mkdir(parents=True, exist_ok=True)
    runtime = Runtime(scorer=CLIPVisionModelTaskPool(tasks, base_model=BASE), log_dir=options.output)
    LossBarrier(points=options.points).run(pool, runtime)


if __name__ == "__main__":
    main()
