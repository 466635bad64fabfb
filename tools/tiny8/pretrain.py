"""Pretrain the tiny CLIP on the captioned images: ``python -m tools.tiny8.pretrain --pool DIR --out DIR``.

Killed, it goes on from its last saved state, with the images it would have drawn: the random numbers of a step depend
on nothing but the seed and the step. Zero-shot accuracy on the validation images is recorded on the way.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from fusion_bench.utils.files import atomic_path
from tools.tiny8.architecture import MEAN, STD, image_processor, new_model
from tools.tiny8.augment import augment
from tools.tiny8.contrast import MAX_SCALE, contrastive_loss, embed_images, embed_tokens
from tools.tiny8.data.tasks import TASKS
from tools.tiny8.pool import Pool, read_pool
from tools.tiny8.tokenizer import TEXT_LENGTH, train_tokenizer
from tools.tiny8.zero_shot import Validation, read_validation, zero_shot_accuracy

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizer


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """AdamW with a linear warm-up and cosine decay."""

    steps: int = 4000
    batch_size: int = 384
    learning_rate: float = 1e-3
    warm_up: int = 200
    weight_decay: float = 0.1
    seed: int = 0


def to_inputs(pixels: Tensor) -> Tensor:
    """Normalised inputs, ``(n, 3, 32, 32)``, of ``(n, 32, 32, 3)`` bytes, as the image processor makes them."""
    return (pixels.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def new_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """Weight decay for the matrices, none for embeddings, biases and scales."""
    matrices = [p for name, p in model.named_parameters() if p.ndim > 1 and "embedding" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim <= 1 or "embedding" in name]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate of a step, counted from 0."""
    decay = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warm_up) * decay


def loss_of_step(model: CLIPModel, pool: Pool, tokens: dict[str, Tensor], recipe: Recipe, step: int) -> Tensor:
    """The contrastive loss of the images that belong to this step."""
    rng = np.random.default_rng([recipe.seed, step])
    chosen, captions = pool.draw(recipe.batch_size, rng)
    unique, caption_of_image = np.unique(captions, return_inverse=True)
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    inputs = augment(to_inputs(torch.from_numpy(pool.images[chosen])), generator)
    rows = torch.from_numpy(unique)
    texts = embed_tokens(model, tokens["input_ids"][rows], tokens["attention_mask"][rows])
    logits = model.logit_scale.exp() * embed_images(model, inputs) @ texts.T
    return contrastive_loss(logits, torch.from_numpy(caption_of_image))


class State:
    """What a run needs to go on: both towers, the optimiser's moments, the step and the curve so far."""

    def __init__(self, folder: Path, model: CLIPModel, optimiser: torch.optim.AdamW, recipe: Recipe) -> None:
        self.folder, self.model, self.optimiser, self.recipe = folder, model, optimiser, recipe
        self.step = 0
        self.seconds = 0.0  # of training, over all sessions
        self.losses: list[float] = []  # since the last point of the curve
        self.curve: list[dict[str, float]] = []

    def _moments(self) -> dict[str, Tensor]:
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        entries = self.optimiser.state.items()
        return {f"{names[p]}:{key}": value for p, state in entries for key, value in state.items()}

    def save(self) -> None:
        """Write the state in one piece."""
        tensors = {f"model:{name}": value for name, value in self.model.state_dict().items()} | self._moments()
        progress = {"step": self.step, "seconds": self.seconds, "losses": self.losses, "curve": self.curve}
        note = {**progress, "recipe": asdict(self.recipe)}
        with atomic_path(self.folder / "state.safetensors") as path:
            save_file(tensors, path, metadata={"note": json.dumps(note)})

    def load(self) -> bool:
        """Go back to the saved state, if there is one.

        Raises:
            ValueError: if it was saved by a run with another recipe.
        """
        path = self.folder / "state.safetensors"
        if not path.exists():
            return False
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            note = json.loads(file.metadata()["note"])
        if note["recipe"] != asdict(self.recipe):
            raise ValueError(f"{path} was made with {note['recipe']}; remove it or use the same recipe")
        tensors = load_file(path)
        self.model.load_state_dict({k.removeprefix("model:"): v for k, v in tensors.items() if k.startswith("model:")})
        for name, parameter in self.model.named_parameters():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                self.optimiser.state[parameter][key] = tensors[f"{name}:{key}"]
        self.step, self.seconds = note["step"], note["seconds"]
        self.losses, self.curve = note["losses"], note["curve"]
        return True


def pretrain(
    pool: Pool, validation: Validation, out: Path, recipe: Recipe, measure_every: int = 500, save_every: int = 100
) -> None:
    """Train both towers and write the model, its tokenizer, processor and learning curve to ``out``."""
    prompts = [template.format(name) for task in TASKS for name in task.classes for template in task.templates]
    tokenizer = train_tokenizer([*pool.captions, *prompts])
    encoded = tokenizer(list(pool.captions), padding=True, truncation=True, max_length=TEXT_LENGTH, return_tensors="pt")
    tokens = {key: encoded[key] for key in ("input_ids", "attention_mask")}
    torch.manual_seed(recipe.seed)
    model = new_model(tokenizer)
    model.set_attn_implementation("eager")  # the fused one is slow in bfloat16 on processors
    state = State(out, model, new_optimiser(model, recipe), recipe)
    out.mkdir(parents=True, exist_ok=True)
    state.load()
    model.train()
    bar = tqdm(total=recipe.steps, initial=state.step, unit="step", mininterval=10.0, desc="pretraining")
    while state.step < recipe.steps:
        train_step(state, pool, tokens)
        bar.update()
        last = state.step == recipe.steps
        if state.step % measure_every == 0 or last:
            measure(state, zero_shot_accuracy(model, tokenizer, validation))
            bar.write(" ".join(f"{key} {value:.4g}" for key, value in state.curve[-1].items()))
        if state.step % save_every == 0 or last:
            state.save()
    write(model.eval(), tokenizer, state, out)


def measure(state: State, accuracies: dict[str, float]) -> None:
    """Add a point to the learning curve and go on training."""
    record = {"step": state.step, "loss": float(np.mean(state.losses)), "seconds": state.seconds}
    state.curve.append({**record, **accuracies})
    state.losses.clear()
    state.model.train()


def train_step(state: State, pool: Pool, tokens: dict[str, Tensor]) -> None:
    """One step of the optimiser."""
    start = time.monotonic()
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(state.recipe, state.step)
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of_step(state.model, pool, tokens, state.recipe, state.step)
    state.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimiser.step()
    with torch.no_grad():
        state.model.logit_scale.clamp_(0, math.log(MAX_SCALE))
    state.step += 1
    state.losses.append(float(loss.detach()))
    state.seconds += time.monotonic() - start


def write(model: CLIPModel, tokenizer: CLIPTokenizer, state: State, out: Path) -> None:
    """The model in the layout of the Hugging Face Hub, in half precision, with the record of its training."""
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    image_processor().save_pretrained(out)
    record = {"recipe": asdict(state.recipe), "curve": state.curve}
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="images and captions, from tools.tiny8.data")
    parser.add_argument("--data", type=Path, required=True, help="the tasks, from tools.tiny8.data")
    parser.add_argument("--out", type=Path, required=True, help="where the model and the state of the run go")
    parser.add_argument("--steps", type=int, default=Recipe.steps, help=f"default: {Recipe.steps}")
    options = parser.parse_args()
    pretrain(read_pool(options.pool), read_validation(options.data), options.out, Recipe(steps=options.steps))


if __name__ == "__main__":
    main()
