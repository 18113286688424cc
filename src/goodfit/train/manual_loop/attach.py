"""`attach`: a recipe in a training loop of the user's own."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from goodfit.data import Inputs
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import AveragedWeights, Clock, Decision, Ensemble, OnEval
from goodfit.technique import Technique
from goodfit.train.manual_loop import checks
from goodfit.train.manual_loop.optimizer_params import join, leave
from goodfit.train.manual_loop.sampler import EpochSampler
from goodfit.train.manual_loop.step import OptimizerStep
from goodfit.train.manual_loop.stopping import Stopping
from goodfit.train.prepare import refuse_contradictions
from goodfit.train.rng import generator, stream
from goodfit.train.run import Weights, snapshot
from goodfit.train.stages.hooks import ForwardRecorder, RebindInput
from goodfit.train.stages.on_batch import BatchTransforms
from goodfit.train.stages.on_eval import WeightAverager
from goodfit.train.stages.on_grads import slope
from goodfit.train.stages.on_loss import LossTerms, again
from goodfit.train.stages.on_model import Attachment, attach_layers
from goodfit.train.stages.on_sample import again as again_in
from goodfit.train.stages.on_weights import WeightUpdater


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
) -> Regularizer:
    """A recipe on a network of yours, in a loop of yours; as a context manager it takes itself out at the end.

    `optimizer`: yours, with whatever parameter groups it has (the parameters that the recipe brings, a normalisation's
    or a learned noise's, join it without weight decay); make schedules of its learning rate after `attach`. `data`: the
    training rows (x, y), for techniques that need to know them (classes, the scale of an attack, statistics of
    averaged weights). `inputs`: what x is and between which values, for augmentation; told from `data` otherwise.
    `epochs` and `steps_per_epoch`, in optimizer steps, for strengths and averages that follow them.
    `loss(output, y)`: for attacks on the inputs. Move the network to its device first; a compiled one is compiled anew.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = torch.optim.Adam(net.parameters())
    >>> inputs, labels = torch.randn(9, 4), torch.arange(9) % 2
    >>> with attach(net, "dropout=0.5, l1=1e-3, mixup=0.2", optimizer, data=(inputs, labels)) as reg:
    ...     x, y = reg.batch(inputs, labels)
    ...     cost = nn.functional.cross_entropy(net(x), y) + reg.penalty()
    ...     cost.backward()
    ...     reg.step()
    >>> net[0]._forward_pre_hooks
    OrderedDict()

    Raises:
        InputError: the recipe and the network do not fit each other, or a technique needs what was not given; the
            network and the optimizer are then as they were.
    """
    found, loop = Recipe.of(recipe), checks.Loop(optimizer, loss, data, epochs, steps_per_epoch, seed, inputs)
    checks.check(model, found, loop)
    made = Regularizer(model, found, loop)
    for said in checks.twice_decayed(made.stepper.weights) if made.stepper else ():
        warnings.warn(said, stacklevel=2)
    return made


class Regularizer:
    """A recipe at work in a loop: `batch`, `penalty` and `step` for every batch; `epoch` at the end of an epoch."""

    def __init__(self, model: nn.Module, recipe: Recipe, loop: checks.Loop) -> None:
        self.given, self.recipe, self.loop = model, recipe, loop
        self.model: nn.Module = getattr(model, "_orig_mod", model)  # a compiled network holds the user's
        self.device = next(self.model.parameters()).device
        self.noise = generator(loop.seed, 1, "noise", self.device)
        self.steps, self.closed = 0, False  # optimizer steps taken
        self.calls: set[str] = set()  # since the last step
        self.y: Tensor | None = None
        self.stopping, self.orders = (
            Stopping(recipe),
            EpochSampler(recipe, loop.data[1] if loop.data else None, loop.seed),
        )
        self.stepper: OptimizerStep | None = None
        messages = recipe.lint(self.model, loop.context)
        checks.claim(self.model)
        self.attachment = Attachment(self.model)
        try:
            self.attachment = attach_layers(self.model, recipe)
            self._make_stages()
            refuse_contradictions(messages)
        except BaseException:
            self._take_out()
            self._take_layers_out()
            raise
        _forget_compiled()
        self._begin()

    def _make_stages(self) -> None:
        recipe, loop = self.recipe, self.loop
        checks.check_statistics(self.model, recipe, loop)
        if loop.optimizer is not None:
            for own, host in self.attachment.inserted():
                join(loop.optimizer, own, host)
            join(loop.optimizer, self.attachment.learned)
            weights = WeightUpdater.around(self.model, recipe, loop.optimizer)
            self.stepper = OptimizerStep(self.model, recipe, weights, self.attachment.source)
            if any(checks.acts_in_step(technique) for technique in recipe):
                self.attachment.noises.append(loop.optimizer.register_step_pre_hook(self.stepper.guard))
        self.batches = BatchTransforms(recipe, self.attachment, loop.facts(self.device))
        self.terms = LossTerms(recipe, self.attachment, loop.frequencies(self.device))
        self.shadow = WeightAverager.of(self.model, recipe.at(OnEval), loop.task)
        self.attachment.source.generator = self.noise
        if self.terms.techniques:
            seen = ForwardRecorder(self.attachment.source)
            self.attachment.noises.append(self.model.register_forward_hook(seen, with_kwargs=True))

    def __enter__(self) -> Regularizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None and self.steps and self.stopping.techniques and not self.stopping.epochs:
            said = f"attach: {self.stopping.names} did nothing; tell it each epoch with reg.epoch(val_loss=…)."
            warnings.warn(said, stacklevel=2)

    # ---- for every batch -----------------------------------------------------------------------------

    def batch(self, x: Tensor, y: Tensor, only: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The batch to train on: x (batch, …), y (batch,) or (batch, class), which may become probabilities.

        Masks y (batch, height, width) or (batch, class, height, width) of images, and whatever else has their height
        and width, move with them; beyond the border they are 0.

        only: whom augmentations may change (batch,), where a technique spares some rows; see `again`.
        """
        self._open("batch")
        self._begin()
        if self.batches.techniques:
            if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
                raise InputError(f"attach: batch() takes two tensors, got {type(x).__name__} and {type(y).__name__}.")
            self.batches.check(x)
            checks.spared(self.recipe, only)
            checks.classes_of(y, self.recipe, self.loop.classes)
            x, y = self.batches(x, y, self._slope, only)
            y = self.batches.mix(x, y)
        self.y = y
        self.calls.add("batch")
        return x, y

    def penalty(self, rows: Tensor | None = None) -> Tensor:
        """The terms of the loss that need the forward pass, a differentiable scalar; add it to the data loss.

        rows (batch,): the data loss per row, for techniques that weigh it. Penalties on weights are not in it:
        `step` applies them in closed form, and `values` tells them.
        """
        self._open("penalty")
        if not self.terms.techniques:
            return next(self.model.parameters()).new_zeros(())
        passed = self.attachment.source.passed
        if passed is None or self.y is None:
            raise InputError(
                "attach: penalty() must follow reg.batch(x, y) and a forward pass of the network in training mode, "
                "which returns one tensor."
            )
        network = RebindInput(self.model, passed) if len(passed.args) + len(passed.kwargs) > 1 else self.model
        found = self.terms.terms(partial(again, network), passed.x, self.y, passed.output, rows)
        self._begin()  # a term may have passed the batch through the network again
        self.calls.add("penalty")
        return sum(found[1:], found[0])

    def step(self, closure: Callable[[], Any] | None = None, scaler: Any = None) -> None:
        """In place of `optimizer.step()`, once gradients are there; clears them afterwards.

        closure: computes the loss of the same batch anew and calls its `backward()`; for techniques that look at
        the gradient at other weights (SAM). scaler: a `torch.amp.GradScaler`, which has not unscaled the gradients yet;
        call its `update()` as usual.
        """
        self._open("step")
        stepper, clock = self._stepper("step"), self.clock
        checks.ready(self.recipe, self.calls | ({"rows"} if self.orders.drawn else set()), stepper.optimizer)
        stepper(clock, closure, scaler)
        self.steps += 1
        if self.shadow and not (isinstance(self.shadow.technique, Ensemble) and self.steps > self.loop.total):
            self.shadow.update(clock)
        stepper.optimizer.zero_grad()
        self.calls -= {"batch", "penalty"}
        self._begin()

    def values(self) -> dict[str, float]:
        """The value of each weight penalty now, in units of the loss: `penalty_NAME`."""
        return self._stepper("values").weights.values(self._done)

    def rows(self) -> Tensor:
        """Row numbers of one epoch (n′,) in a new order, as the recipe draws them; needs `data`."""
        return self.orders.rows()

    @staticmethod
    def again(rows: Tensor) -> Tensor:
        """Which of an epoch's row numbers (n,) were drawn before in it: for `batch(x, y, only=…)`."""
        return again_in(rows)

    def sampler(self) -> EpochSampler:
        """The same as a sampler: `DataLoader(dataset, sampler=reg.sampler())`."""
        return self.orders

    def epoch(self, metrics: Mapping[str, float] | None = None, **more: float) -> Decision:
        """Tell an epoch's metrics (`stop_loss=…`, or `val_loss=…`); whether to stop, and why.

        The weights of the best epoch are kept, and put into the network when the recipe is closed.
        """
        decision = self.stopping.tell({**(metrics or {}), **more}, self._evaluated)
        self.noise.manual_seed(
            stream(self.loop.seed, self.stopping.epochs + 1, "noise")
        )  # the next epoch's, as in `fit`
        return decision

    def network(self) -> nn.Module:
        """The network to evaluate: the averaged one where the recipe keeps averages, else the one that is trained."""
        if self.shadow is None:
            return self.given
        return self.shadow.network(self.loop.data[0] if self.loop.data else None).eval()

    # ---- the end -------------------------------------------------------------------------------------

    def close(self) -> nn.Module:
        """Take the noises out and put the weights to keep into the network; layers that the recipe inserted stay.

        To keep are the best epoch's weights where the recipe stops early, else the averaged ones where it averages and
        an epoch is over, else the last. It happens at the end of a `with` block, however that ends.
        """
        if not self.closed:
            self._take_out()
            averaged = self.shadow is not None and isinstance(self.shadow.technique, AveragedWeights)
            if self.stopping.watch.restore and self.stopping.best is not None:
                self.model.load_state_dict(self.stopping.best)
            elif averaged and self.steps >= (self.loop.steps_per_epoch or 1):
                self.model.load_state_dict(self._evaluated())
        return self.given

    def detach(self) -> nn.Module:
        """Close, and take the inserted layers out too: the network as it was built, with its trained weights."""
        self.close()
        self._take_layers_out()
        return self.given

    # ---- inside --------------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """Where training stands, for the step at hand; who trains for longer than said stays at the end."""
        step = self.steps + 1
        return Clock(step, self.loop.steps_per_epoch or 1, max(self.loop.total, step))

    @property
    def _done(self) -> float:
        return self.clock.progress if self.loop.total else 0.0

    def _begin(self) -> None:
        self.attachment.source.done, self.attachment.source.passed = self._done, None
        self.terms.begin()

    def _open(self, call: str) -> None:
        if self.closed:
            raise InputError(f"attach: {call}() must come before close(), which has taken the recipe out.")

    def _stepper(self, call: str) -> OptimizerStep:
        if self.stepper is None:
            raise InputError(f"attach: {call}() needs the optimizer; give attach(model, recipe, optimizer).")
        return self.stepper

    def _evaluated(self) -> Weights:
        return snapshot(self.network() if self.shadow else self.model)

    def _slope(self, x: Tensor, y: Tensor) -> Tensor:
        assert self.loop.loss is not None
        cost = self.loop.loss
        found = slope(self.model, self.attachment.source, lambda moved: cost(self.given(moved), y).mean(), x)
        self._begin()
        return found

    def _take_out(self) -> None:
        """Take everything out but inserted layers."""
        source = self.attachment.source
        self.closed, source.generator, source.passed, source.seen = True, None, None, None
        self.attachment.silence()
        if self.loop.optimizer is not None:
            leave(self.loop.optimizer, self.attachment.learned)
        checks.release(self.model)
        _forget_compiled()

    def _take_layers_out(self) -> None:
        if self.loop.optimizer is not None:
            for own, _ in self.attachment.inserted():
                leave(self.loop.optimizer, own)
        self.attachment.detach()
        _forget_compiled()


def _forget_compiled() -> None:
    """Let what was compiled be compiled anew: compiled code does not look at hooks again."""
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
