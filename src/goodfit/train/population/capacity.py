"""How many members are trained at a time, and whether it pays: by memory and by a short measurement."""

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

AT_ONCE = 32
"""Members at a time, at most: more do not make a step of one cheaper, and need more of the cache."""
IN_CACHE = 1_000_000
"""Weights of all members up to which they do not leave the cache between a step's operations."""
SIDE = 384
"""Of the matrix by whose product with itself the machine's rate is measured: a few milliseconds."""
BYTES = 24
"""Per weight of 4 bytes: the weight, its gradient, Adam's two memories, the best weight so far, and the next one."""
SHARE = 0.25
"""Of the free memory, for the members' tensors; activations and data need room too."""


def at_once(weights: int, width: int, device: torch.device, lanes: int = 1) -> int:
    """How many members of so many weights, of `width` bytes each, fit into the share of memory of one of several lanes.

    >>> at_once(5_000, 4, torch.device("cpu"))
    32
    """
    fitting = int(SHARE * free_memory(device)) // (max(1, weights * BYTES * width // 4) * lanes)
    cached = max(4, IN_CACHE // max(1, weights)) if device.type == "cpu" else AT_ONCE
    return max(1, min(AT_ONCE, fitting, cached))


def solo_seconds(networks: Networks, job: Job) -> float:
    """Seconds that a step of a run by itself takes."""
    solo = Trainer(networks.template(job.split), job.split, job.recipe, job.training, job.criterion, job.seed)
    train = job.split.train
    rows = torch.arange(min(job.training.batch_size, len(train)), device=train.x.device)
    noise = generator(job.seed, 1, "noise", train.x.device)
    solo.model.train()
    return timed(lambda: solo.step(train.x[rows], train.y[rows], Clock(1, 1, 1), noise))


def products_seconds(networks: Networks, job: Job) -> float:
    """Seconds that the products of a step would take at the rate of a large one, convolutions at a third of it."""
    x, network = job.split.train.x, networks.template(job.split)
    square = torch.ones(SIDE, SIDE, device=x.device)
    rate = 2 * SIDE**3 / timed(lambda: square @ square)
    return 3 * operations(network, x[: job.training.batch_size]) / rate


def operations(network: nn.Module, x: Tensor) -> int:
    """Operations of a pass over rows x (batch, …), additions included; those of convolutions count thrice.

    >>> operations(nn.Linear(10, 5), torch.zeros(4, 10)), operations(nn.Conv1d(1, 2, 3), torch.zeros(4, 1, 10))
    (400, 1152)
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        copy_module(network).eval()(x)
    found = counter.get_flop_counts().get("Global", {})
    counted: int = sum(3 * n if "conv" in str(operation) else n for operation, n in found.items())
    return max(counted, 2 * len(x) * sum(p.numel() for p in network.parameters() if p.ndim > 1 and counted == 0))


def timed(call: Callable[[], object], times: int = 3) -> float:
    """The median time of a few calls, the first one not counted."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])
