"""The other trainers, each with its fastest reasonable settings; they train one member at a time.

Each uses all four techniques and early stopping, as far as its library has them, with the strengths of the member. The
patience is longer than the timing, so no run stops early. Each library is imported inside its own function.
"""

import warnings
from collections.abc import Callable, Sequence
from itertools import chain
from statistics import mean
from typing import Any

import numpy as np
import peers
import population_handwritten as handwritten
import torch
from loops import validate
from population_members import Member
from problems import Problem
from timing import Start, Turn
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

MemberStart = Callable[[int, int], Turn]
"""(epochs, seed) → the training of a member, ready to start."""

Prepare = Callable[[Problem, Member], MemberStart]
"""Prepares a member once; raises ImportError if the library is missing."""

HANDWRITTEN, KERAS = "hand-written torch, fused Adam", "Keras, JAX"
SCIKIT_LEARN = "scikit-learn MLPClassifier (L2 only)"
SKORCH, LIGHTNING = "skorch", "Lightning"


def enter(name: str, members: Sequence[Member], problem: Problem) -> Start:
    """Prepare a trainer for its members, which it trains one by one."""
    starts = [PEERS[name](problem, member) for member in members]

    def start(epochs: int, seed: int) -> Turn:
        turns = [start_member(epochs, seed) for start_member in starts]
        return Turn(lambda: [turn.fit() for turn in turns], lambda: mean(turn.accuracy() for turn in turns))

    return start


def hand_loop(problem: Problem, member: Member) -> MemberStart:
    return lambda epochs, seed: handwritten.with_techniques(problem, member, epochs, seed)


def bare_loop(problem: Problem, member: Member) -> MemberStart:
    return lambda epochs, seed: handwritten.without_techniques(problem, member, epochs, seed)


def scikit_learn(problem: Problem, member: Member) -> MemberStart:
    """Receives both parts, because it separates the stop rows itself; it scores them by accuracy."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)  # raised because the number of epochs is limited on purpose
    x, y, xv, yv = problem.arrays
    x, y = np.concatenate([x, xv]), np.concatenate([y, yv])

    def start(epochs: int, seed: int) -> Turn:
        net = MLPClassifier(
            problem.sizes[1:-1],
            alpha=2 * member.l2 * problem.batch,  # scikit-learn adds alpha / (2 · rows of the batch) · Σw²
            batch_size=problem.batch,
            learning_rate_init=member.learning_rate,
            max_iter=epochs,
            n_iter_no_change=epochs + 1,
            early_stopping=True,
            validation_fraction=len(xv) / len(x),
            random_state=seed,
        )
        return Turn(lambda: net.fit(x, y), lambda: net.best_validation_score_)

    return start


# ---- Keras --------------------------------------------------------------------------------------------


def keras_jax(problem: Problem, member: Member) -> MemberStart:
    """Jitted, one model per member, whose variables are reset before each timing.

    Strengths are constants of the compiled program, so each member compiles its own. The first call includes that; the
    timings do not.
    """
    import jax  # noqa: F401  (Keras reports a missing backend less clearly)
    import keras

    x, y, xv, yv = problem.arrays
    model = _keras_model(problem, member)
    state = [(v, np.array(v)) for v in (*model.variables, *model.optimizer.variables)]
    targets, stop_targets = (keras.utils.to_categorical(labels, problem.sizes[-1]) for labels in (y, yv))
    held_out = {"validation_data": (xv, stop_targets), "validation_batch_size": problem.validation_batch}

    def start(epochs: int, seed: int) -> Turn:
        keras.utils.set_random_seed(seed)
        for variable, value in state:
            variable.assign(value)
        early = keras.callbacks.EarlyStopping(patience=epochs + 1, restore_best_weights=True)
        settings = {"batch_size": problem.batch, "epochs": epochs, "callbacks": [early], "verbose": 0, **held_out}
        return Turn(lambda: model.fit(x, targets, **settings), lambda: _keras_accuracy(model, xv, yv))

    return start


def _keras_accuracy(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    return float((model.predict(x, batch_size=len(x), verbose=0).argmax(1) == y).mean())


def _keras_model(problem: Problem, member: Member) -> Any:
    import keras

    def dense(size: int, activation: str | None = None) -> Any:
        settings = {
            "kernel_regularizer": keras.regularizers.L2(member.l2),
            "kernel_constraint": keras.constraints.MaxNorm(member.max_norm),
        }
        return keras.layers.Dense(size, activation=activation, **settings)

    hidden = [(dense(size, "relu"), keras.layers.Dropout(member.dropout)) for size in problem.sizes[1:-1]]
    ends = keras.Input((problem.sizes[0],)), dense(problem.sizes[-1])
    model = keras.Sequential([ends[0], *chain.from_iterable(hidden), ends[1]])
    model.compile(
        optimizer=keras.optimizers.Adam(member.learning_rate, epsilon=1e-8),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=member.label_smoothing),
        jit_compile=True,
        steps_per_execution=min(problem.steps, 32),
    )
    model.optimizer.build(model.trainable_variables)
    return model


# ---- skorch and Lightning -----------------------------------------------------------------------------


def _network(problem: Problem, member: Member, seed: int) -> nn.Sequential:
    """The network of the seed, with dropout after each ReLU."""
    network = problem.network(seed)
    pairs = [[layer, nn.Dropout(member.dropout)] if isinstance(layer, nn.ReLU) else [layer] for layer in network]
    return nn.Sequential(*chain.from_iterable(pairs))


def skorch(problem: Problem, member: Member) -> MemberStart:
    """Without printing; its loaders index whole batches."""
    from skorch import NeuralNetClassifier
    from skorch.callbacks import EarlyStopping
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    loading = peers._skorch_loading(problem)
    held_out = predefined_split(Dataset(problem.xv, problem.yv))

    def start(epochs: int, seed: int) -> Turn:
        net = NeuralNetClassifier(
            _network(problem, member, seed),
            criterion=nn.CrossEntropyLoss,
            criterion__label_smoothing=member.label_smoothing,
            optimizer=torch.optim.Adam,
            optimizer__fused=True,
            optimizer__weight_decay=2 * member.l2,
            lr=member.learning_rate,
            max_epochs=epochs,
            train_split=held_out,
            callbacks=[
                ("max_norm", _skorch_max_norm(member)),
                ("early", EarlyStopping(patience=epochs + 1, load_best=True)),
            ],
            callbacks__print_log=None,
            verbose=0,
            **loading,
        ).initialize()
        return Turn(lambda: net.partial_fit(problem.x, problem.y), lambda: validate(problem, net.module_)[1])

    return start


def _skorch_max_norm(member: Member) -> Any:
    from skorch.callbacks import Callback

    class MaxNorm(Callback):
        def on_batch_end(self, net: Any, training: bool = False, **_: Any) -> None:
            if training:
                handwritten.apply_max_norm(handwritten.kernels(net.module_), member.max_norm)

    return MaxNorm()


def lightning(problem: Problem, member: Member) -> MemberStart:
    """Without logger, progress bar, summary and checkpoints (which would keep the best weights on disk only)."""
    import lightning as pl
    from lightning.pytorch.callbacks import EarlyStopping

    peers._silence_lightning()
    parts = {True: (problem.x, problem.y), False: (problem.xv, problem.yv)}
    loaders = [DataLoader(TensorDataset(*parts[t]), **peers._batch_loading(problem, train=t)) for t in parts]

    def start(epochs: int, seed: int) -> Turn:
        module = _lightning_module(member, _network(problem, member, seed))
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            callbacks=[EarlyStopping("loss", patience=epochs + 1)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        return Turn(lambda: trainer.fit(module, *loaders), lambda: validate(problem, module.model)[1])

    return start


def _lightning_module(member: Member, model: nn.Module) -> Any:
    import lightning as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.kernels = model, handwritten.kernels(model)

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            return functional.cross_entropy(self.model(batch[0]), batch[1], label_smoothing=member.label_smoothing)

        def on_train_batch_end(self, *_: Any) -> None:
            handwritten.apply_max_norm(self.kernels, member.max_norm)

        def validation_step(self, batch: list[Tensor], index: int) -> None:
            self.log("loss", functional.cross_entropy(self.model(batch[0]), batch[1]), batch_size=len(batch[1]))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            settings = {"lr": member.learning_rate, "weight_decay": 2 * member.l2}
            return torch.optim.Adam(self.parameters(), fused=True, **settings)

    return Module()


PEERS: dict[str, Prepare] = {
    HANDWRITTEN: hand_loop,
    "hand-written torch, no technique": bare_loop,
    KERAS: keras_jax,
    SCIKIT_LEARN: scikit_learn,
    SKORCH: skorch,
    LIGHTNING: lightning,
}
