"""How many members are trained at the same time, and the measurements that decide whether this is faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from goodfit.memory import free_memory
from goodfit.stages import Clock
from goodfit.surgery import copy_module
from goodfit.train.population.jobs import Job, Networks
from goodfit.train.rng import generator
from goodfit.train.trainer import Trainer

MAX_MEMBERS = 32
"""Members that are trained at the same time, at most: with more, the time per member does not decrease."""
CACHED_WEIGHTS = 1_000_000
"""Weights of all members that stay in a CPU's cache between the operations of a step."""
MATRIX_SIZE = 384
"""Size of the square matrices whose product measures the machine's speed, in a few milliseconds."""
BYTES_PER_WEIGHT = 24
"""For float32: weight, gradient, Adam's two moments, best weight so far, and next weight."""
MEMORY_SHARE = 0.25
"""Share of the free memory for the members' tensors; activations and data need memory, too."""


def max_members(weights: int, width: int, device: torch.device, workers: int = 1) -> int:
    """The number of members with this many weights, of `width` bytes each, that one of several workers can train.

    >>> max_members(5_000, 4, torch.device("cpu"))
    32
    """
    fitting = int(MEMORY_SHARE * free_memory(device)) // (max(1, weights * BYTES_PER_WEIGHT * width // 4) * workers)
    cached = max(4, CACHED_WEIGHTS // max(1, weights)) if device.type == "cpu" else MAX_MEMBERS
    return max(1, min(MAX_MEMBERS, fitting, cached))


def solo_seconds(networks: Networks, job: Job) -> float:
    """Seconds that a step of the solo trainer takes."""
    trainer = Trainer(networks.template(job.split), job.plan, job.split, job.seed)
    train = job.split.train
    rows = torch.arange(min(job.plan.training.batch_size, len(train)), device=train.x.device)
    noise = generator(job.seed, 1, "noise", train.x.device)
    trainer.model.train()
    return median_seconds(lambda: trainer.step(train.x[rows], train.y[rows], Clock(1, 1, 1), noise))


def arithmetic_seconds(networks: Networks, job: Job) -> float:
    """Seconds that the arithmetic of a step takes at the speed of a large product; convolutions at a third of it."""
    x, network = job.split.train.x, networks.template(job.split)
    square = torch.ones(MATRIX_SIZE, MATRIX_SIZE, device=x.device)
    per_second = 2 * MATRIX_SIZE**3 / median_seconds(lambda: square @ square)
    return 3 * operations(network, x[: job.plan.training.batch_size]) / per_second


def operations(network: nn.Module, x: Tensor) -> int:
    """Floating-point operations of a forward pass over rows x (batch, …); those of convolutions count three times.

    >>> operations(nn.Linear(10, 5), torch.zeros(4, 10)), operations(nn.Conv1d(1, 2, 3), torch.zeros(4, 1, 10))
    (400, 1152)
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        copy_module(network).eval()(x)
    counts = counter.get_flop_counts().get("Global", {})
    counted: int = sum(3 * n if "conv" in str(operation) else n for operation, n in counts.items())
    return max(counted, 2 * len(x) * sum(p.numel() for p in network.parameters() if p.ndim > 1 and counted == 0))


def median_seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """The median time of a few calls; the first one is not counted."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])
