"""How a fine-tuning run starts and ends: pools and options in, model and record out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fusion_bench.method.finetune.pools import TrainingTaskPool
from fusion_bench.method.finetune.precision import precision_of
from fusion_bench.method.finetune.progress import Progress
from fusion_bench.method.finetune.record import CurvePoint, FineTuned, FineTuneRecord
from fusion_bench.method.finetune.session import Session
from fusion_bench.method.finetune.state import SavedRun, recorded_seed
from fusion_bench.utils.rng import fresh_seed

if TYPE_CHECKING:
    from fusion_bench.method.finetune.clip_vision import FineTuneClipVision
    from fusion_bench.modelpool.base_pool import BaseModelPool
    from fusion_bench.runtime import Runtime

_FREE = ("seed", "cache_images", "save_every")  # options that may change when a run is resumed; the seed is compared


def fine_tune(
    method: FineTuneClipVision,
    pool: BaseModelPool,
    taskpool: Any,
    task: str,
    start: str,
    runtime: Runtime,
    on_point: Callable[[CurvePoint], None] | None,
) -> FineTuned:
    """Fine-tune ``start`` on ``task``; see :meth:`FineTuneClipVision.run`."""
    if not isinstance(taskpool, TrainingTaskPool):
        raise TypeError(
            f"fine-tuning needs a task pool with heads, such as CLIPVisionModelTaskPool; got {type(taskpool).__name__}"
        )
    with runtime.profile("loading"):
        model = pool.load_model(start).float().eval().to(runtime.device)
        classifier = taskpool.classifier(task, model).to(runtime.device)
        images = taskpool.training_images(task, pool.load_train_dataset(task))
    identity: dict[str, Any] = {
        "method": {key: value for key, value in method.config_dict().items() if key not in _FREE},
        "task": task,
        "start": start,
        "seed": choose_seed(method.seed, runtime),
        "start_fingerprint": pool.fingerprints([start])[start],
        "classes": len(classifier.head),
        "training_images": len(images),
        "device": runtime.device.type,
        "precision": precision_of(runtime),
    }
    session = Session(
        method=method,
        task=task,
        seed=identity["seed"],
        model=model,
        classifier=classifier,
        images=images,
        taskpool=taskpool,
        runtime=runtime,
        saved=SavedRun.open(runtime.log_dir, identity, resume=runtime.resume) if runtime.log_dir else None,
        on_point=on_point,
    )
    progress = session.run()
    record = make_record(session, progress, {**identity, "method": method.config_dict()})
    return FineTuned(model.requires_grad_(True).cpu(), record)


def make_record(session: Session, progress: Progress, identity: dict[str, Any]) -> FineTuneRecord:
    """The record of a run that has come to its end."""
    if progress.accuracy_before is None:
        raise AssertionError("a run is validated before it starts")
    return FineTuneRecord(
        **identity,
        trained_parameters=sum(parameter.numel() for parameter in session.trained.values()),
        all_parameters=sum(parameter.numel() for parameter in session.model.parameters()),
        accuracy_before=progress.accuracy_before,
        accuracy_after=progress.kept_accuracy,
        kept_step=progress.kept_step,
        seconds=progress.seconds,
        curve=tuple(progress.curve),
    )


def choose_seed(seed: int | None, runtime: Runtime) -> int:
    """The seed of the method, else of the run, else of the run that is resumed, else a fresh one."""
    if seed is not None:
        return seed
    if runtime.seed is not None:
        return runtime.seed
    recorded = recorded_seed(runtime.log_dir) if runtime.resume else None
    return fresh_seed() if recorded is None else recorded
