"""Runs the jobs of a sweep side by side as Ray tasks: ``hydra/launcher=ray``.

Hydra looks for launchers in this package only, and imports it at every start; Ray is imported when jobs are launched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

log = logging.getLogger(__name__)


class RayLauncher(Launcher):
    """Each job is a process of its own, on this machine or on a cluster that shares its directories.

    Args:
        cores: what a job reserves; as many jobs run at a time as the cores of Ray allow.
        ray_address: ``host:port`` of a running cluster, or ``auto``; None starts a Ray on this machine.
    """

    def __init__(self, cores: float = 1, ray_address: str | None = None) -> None:
        self.cores, self.ray_address = cores, ray_address

    def setup(self, *, hydra_context: HydraContext, task_function: Callable[[Any], Any], config: DictConfig) -> None:
        """Remember what jobs are made of."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a job for each list of arguments; what they return, or raise when asked, in that order."""
        from fusion_bench.utils.ray_session import import_ray, start_ray

        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        started = start_ray(1, self.ray_address)
        ray = import_ray()
        try:
            # A process for each job: Hydra and logging are set up once in a process.
            task = ray.remote(num_cpus=self.cores, max_calls=1, max_retries=0)(_run)
            jobs = {}
            for number, arguments in enumerate(job_overrides, start=initial_job_idx):
                log.info("job %d: %s", number, " ".join(filter_overrides(arguments)))
                config = self._config_of(number, arguments)
                jobs[task.remote(self.hydra_context, self.task_function, config, Singleton.get_state())] = number
            waiting = list(jobs)
            while waiting:
                (ready,), waiting = ray.wait(waiting)
                log.info("job %d ended; %d to go", jobs[ready], len(waiting))
            return list(ray.get(list(jobs)))
        finally:
            if started:
                ray.shutdown()

    def _config_of(self, number: int, arguments: Sequence[str]) -> DictConfig:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(arguments))
        with open_dict(config):
            config.hydra.job.num = number
            config.hydra.job.id = f"{config.hydra.job.name}_{number}"
        return config


def _run(
    hydra_context: HydraContext, task_function: Callable[[Any], Any], config: DictConfig, state: dict[Any, Any]
) -> JobReturn:
    """One job, in its own process."""
    setup_globals()
    Singleton.set_state(state)
    return run_job(
        hydra_context=hydra_context,
        task_function=task_function,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
