"""Trains runs one by one, in several processes if that is faster."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

import torch
from joblib import Parallel, delayed

from goodfit.data.storage import is_large
from goodfit.errors import TrainingError
from goodfit.registry import is_registered, register
from goodfit.technique import Technique
from goodfit.train.fit import fit
from goodfit.train.losses import Loss
from goodfit.train.population.jobs import Job, Networks
from goodfit.train.run import Run

Result = Run | TrainingError
MIN_SECONDS = 20.0
"""Remaining work from which on it pays to start processes: each of them first imports torch."""


def fit_one_by_one(
    networks: Networks, jobs: Sequence[Job], loss: Loss | None, processes: int | None = None
) -> Iterator[tuple[int, Result]]:
    """The results of jobs by their numbers, as they finish. The first job shows how long they take.

    `processes`: at most; None: one for each thread that torch uses.
    """
    if not jobs:
        return
    first, *others = jobs
    began = time.perf_counter()
    yield first.number, fit_job(networks, first, loss)
    seconds = time.perf_counter() - began
    cores = processes or (torch.get_num_threads() if first.split.train.x.device.type == "cpu" else 1)
    workers = min(cores, len(others), os.cpu_count() or 1)
    rows = sum(len(part) for part in first.split.parts.values())
    size = rows * first.split.train.x[:1].nbytes  # each process gets a copy
    if workers < 2 or seconds * len(others) < MIN_SECONDS or is_large(workers * size):
        yield from ((job.number, fit_job(networks, job, loss)) for job in others)
        return
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    yield from parallel(delayed(_fit_in_process)(networks, job, loss, _registered_techniques(job)) for job in others)


def fit_job(networks: Networks, job: Job, loss: Loss | None) -> Result:
    """Train one run with `fit`."""
    network = networks.for_fit(job.seed)
    try:
        return fit(network, job.split, job.plan.recipe, job.plan.training, seed=job.seed, loss=loss, progress=False)
    except TrainingError as error:
        return error


def _registered_techniques(job: Job) -> list[type[Technique]]:
    """The job's techniques that a worker process must register."""
    return [type(technique) for technique in job.plan.recipe if is_registered(type(technique))]


def _fit_in_process(
    networks: Networks, job: Job, loss: Loss | None, techniques: Sequence[type[Technique]]
) -> tuple[int, Result]:
    torch.set_num_threads(1)
    for technique in techniques:
        register(technique)
    return job.number, fit_job(networks, job, loss)
