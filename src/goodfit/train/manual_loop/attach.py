"""`attach`: a recipe in a training loop that the user writes."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch  # noqa: F401  (the example uses it)
from torch import Tensor, nn
from torch.optim import Optimizer

from goodfit.data import Inputs
from goodfit.recipe import Recipe
from goodfit.technique import Technique
from goodfit.train.manual_loop import checks
from goodfit.train.manual_loop.regularizer import Regularizer


def attach(
    model: nn.Module,
    recipe: Recipe | Technique | str,
    optimizer: Optimizer | None = None,
    *,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    data: checks.Data | None = None,
    inputs: Inputs | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    seed: int = 0,
    fast_linear: bool = False,
) -> Regularizer:
    """Attach a recipe to your network in your own training loop. As a context manager, it detaches on exit.

    Move the network to its device first. A compiled network is compiled again.

    Args:
        model: your network.
        recipe: the techniques.
        optimizer: your optimizer, with any parameter groups. Parameters that the recipe adds (of normalization layers
            and learned noise) join it without weight decay. Create learning rate schedules after `attach`.
        loss: loss(output, y), for adversarial techniques.
        data: the training rows (x, y), for techniques that depend on them: on the classes, on the scale of the inputs,
            or on batch statistics for averaged weights.
        inputs: the data kind and range of x, for augmentation; by default inferred from `data`.
        epochs: the length of training, for scheduled strengths.
        steps_per_epoch: optimizer steps in an epoch, for scheduled strengths and averaged weights.
        seed: of all random numbers of the recipe.
        fast_linear: compute large linear layers by oneDNN until `close`, where that is measured to be faster on this
            processor, as `fit` does: float32 on the CPU, equal up to rounding. It concerns the weights of layers that
            are called as modules. Call `close` before `torch.jit.script`.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = torch.optim.Adam(net.parameters())
    >>> inputs, labels = torch.randn(9, 4), torch.arange(9) % 2
    >>> with attach(net, "dropout=0.5, l1=1e-3, mixup=0.2", optimizer, data=(inputs, labels)) as reg:
    ...     x, y = reg.batch(inputs, labels)
    ...     loss = nn.functional.cross_entropy(net(x), y) + reg.penalty()
    ...     loss.backward()
    ...     reg.step()
    >>> net[0]._forward_pre_hooks
    OrderedDict()

    Raises:
        InputError: the recipe and the network do not fit each other, or an argument that a technique needs is missing;
            the network and the optimizer are left unchanged.
    """
    recipe, loop = (
        Recipe.of(recipe),
        checks.Loop(optimizer, loss, data, epochs, steps_per_epoch, seed, inputs, fast_linear),
    )
    checks.check_loop(model, recipe, loop)
    regularizer = Regularizer(model, recipe, loop)
    if regularizer.stepper:
        for message in checks.double_decay_warnings(regularizer.stepper.updater):
            warnings.warn(message, stacklevel=2)
    return regularizer
