"""Runs by themselves, several processes side by side where that is faster."""

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
WORTH = 20.0
"""Seconds of work from which on starting processes, each of which imports torch, is worth its few seconds."""


def fit_apart(
    networks: Networks, jobs: Sequence[Job], loss: Loss | None, processes: int | None = None
) -> Iterator[tuple[int, Result]]:
    """The results of jobs by their numbers, as they come. The first one tells how long they take."""
    if not jobs:
        return
    first, *others = jobs
    began = time.perf_counter()
    yield first.number, fit_alone(networks, first, loss)
    took = time.perf_counter() - began
    cores = processes or (torch.get_num_threads() if first.split.train.x.device.type == "cpu" else 1)
    side_by_side = min(cores, len(others), os.cpu_count() or 1)
    rows = sum(len(part) for part in first.split.parts.values())
    size = rows * first.split.train.x[:1].nbytes  # each process gets a copy
    if side_by_side < 2 or took * len(others) < WORTH or is_large(side_by_side * size):
        yield from ((job.number, fit_alone(networks, job, loss)) for job in others)
        return
    running = Parallel(n_jobs=side_by_side, return_as="generator_unordered", batch_size=1)
    yield from running(delayed(_in_process)(networks, job, loss, _own_techniques(job)) for job in others)


def fit_alone(networks: Networks, job: Job, loss: Loss | None) -> Result:
    """A run by itself."""
    network = networks.alone(job.seed)
    try:
        return fit(network, job.split, job.recipe, job.training, seed=job.seed, loss=loss, progress=False)
    except TrainingError as error:
        return error


def _own_techniques(job: Job) -> list[type[Technique]]:
    """The job's techniques that a worker process must register."""
    return [type(technique) for technique in job.recipe if is_registered(type(technique))]


def _in_process(
    networks: Networks, job: Job, loss: Loss | None, techniques: Sequence[type[Technique]]
) -> tuple[int, Result]:
    torch.set_num_threads(1)
    for technique in techniques:
        register(technique)
    return job.number, fit_alone(networks, job, loss)
