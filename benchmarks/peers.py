"""The other trainers, each with its fastest reasonable settings.

Each library is imported inside its own function, so a missing one is skipped without affecting the others.
"""

import logging
import warnings
from typing import Any

import numpy as np
import torch
from loops import adam, validate
from problems import Problem
from timing import Start, Turn
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset


def scikit_learn(problem: Problem) -> Start:
    """MLPClassifier in float32, one pass per `partial_fit` (which keeps Adam's state), no penalty."""
    from sklearn.neural_network import MLPClassifier

    x, y, xv, yv = problem.arrays
    classes = np.arange(problem.sizes[-1])

    def epoch(net: MLPClassifier) -> tuple[float, float]:
        probabilities = net.partial_fit(x, y, classes=classes).predict_proba(xv)
        chosen = probabilities[np.arange(len(yv)), yv]
        return -float(np.log(chosen + 1e-12).mean()), float((probabilities.argmax(1) == yv).mean())

    def start(epochs: int, seed: int) -> Turn:
        net = MLPClassifier(
            problem.sizes[1:-1],
            alpha=0.0,
            batch_size=problem.batch,
            learning_rate_init=problem.learning_rate,
            random_state=np.random.RandomState(seed),  # an int would repeat the same order in every epoch
        )
        return Turn(lambda: [epoch(net) for _ in range(epochs)], lambda: float((net.predict(xv) == yv).mean()))

    return start


def skorch(problem: Problem) -> Start:
    """NeuralNetClassifier without printing; its loaders index whole batches (see `_batch_loading`)."""
    from skorch import NeuralNetClassifier
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    loading = _skorch_loading(problem)
    held_out = predefined_split(Dataset(problem.xv, problem.yv))

    def start(epochs: int, seed: int) -> Turn:
        net = NeuralNetClassifier(
            problem.network(seed),
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            optimizer__fused=True,
            lr=problem.learning_rate,
            max_epochs=epochs,
            train_split=held_out,
            callbacks__print_log=None,
            verbose=0,
            **loading,
        ).initialize()
        return Turn(lambda: net.partial_fit(problem.x, problem.y), lambda: validate(problem, net.module_)[1])

    return start


def lightning(problem: Problem) -> Start:
    """Trainer without logger, checkpoints, progress bar and summary; its loaders index whole batches."""
    import lightning as pl

    _silence_lightning()
    train = DataLoader(TensorDataset(problem.x, problem.y), **_batch_loading(problem, train=True))
    valid = DataLoader(TensorDataset(problem.xv, problem.yv), **_batch_loading(problem, train=False))

    def start(epochs: int, seed: int) -> Turn:
        module = _lightning_module(problem, problem.network(seed))
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        return Turn(lambda: trainer.fit(module, train, valid), lambda: validate(problem, module.model)[1])

    return start


def keras_jax(problem: Problem) -> Start:
    """Keras on JAX, jitted: one compiled model whose variables are reset before each timing.

    `steps_per_execution` reduces the overhead of Keras between steps, which dominates on a small network.
    """
    import jax  # noqa: F401  (Keras reports a missing backend less clearly)
    import keras

    x, y, xv, yv = problem.arrays
    rows = problem.validation_batch
    model, state = _keras_model(problem)
    held_out = {"validation_data": (xv, yv), "validation_batch_size": rows}

    def fit(epochs: int) -> object:
        return model.fit(x, y, batch_size=problem.batch, epochs=epochs, verbose=0, **held_out)

    def accuracy() -> float:
        return float((model.predict(xv, batch_size=rows, verbose=0).argmax(1) == yv).mean())

    def start(epochs: int, seed: int) -> Turn:
        keras.utils.set_random_seed(seed)
        for variable, value in state:
            variable.assign(value)
        return Turn(lambda: fit(epochs), accuracy)

    return start


def _batch_loading(problem: Problem, train: bool) -> dict[str, Any]:
    """Arguments of a DataLoader that indexes whole batches instead of collating single rows."""
    rows = range(len(problem.x if train else problem.xv))
    order = RandomSampler(rows) if train else SequentialSampler(rows)
    size = problem.batch if train else problem.validation_batch
    return {"sampler": BatchSampler(order, size, drop_last=False), "batch_size": None}


def _skorch_loading(problem: Problem) -> dict[str, Any]:
    """The same arguments under the names that skorch forwards."""
    parts = {"train": _batch_loading(problem, train=True), "valid": _batch_loading(problem, train=False)}
    return {f"iterator_{part}__{key}": value for part, arguments in parts.items() for key, value in arguments.items()}


def _silence_lightning() -> None:
    """Hide its hints (add workers, no logger, …) about settings that are intended."""
    warnings.filterwarnings("ignore", module=r"(lightning|torch)\.")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _lightning_module(problem: Problem, model: nn.Module) -> Any:
    import lightning as pl

    class Module(pl.LightningModule):
        """The minimum that trains and logs validation loss and accuracy."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            return functional.cross_entropy(self.model(batch[0]), batch[1])

        def validation_step(self, batch: list[Tensor], index: int) -> None:
            out = self.model(batch[0])
            accuracy = (out.argmax(1) == batch[1]).float().mean()
            values = {"loss": functional.cross_entropy(out, batch[1]), "accuracy": accuracy}
            self.log_dict(values, batch_size=len(batch[1]))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return adam(problem, self)

    return Module()


def _keras_model(problem: Problem) -> tuple[Any, list[tuple[Any, np.ndarray]]]:
    """The compiled model, and the initial value of each variable of the model and the optimizer."""
    import keras

    hidden = [keras.layers.Dense(size, activation="relu") for size in problem.sizes[1:-1]]
    ends = keras.Input((problem.sizes[0],)), keras.layers.Dense(problem.sizes[-1])
    model = keras.Sequential([ends[0], *hidden, ends[1]])
    model.compile(
        optimizer=keras.optimizers.Adam(problem.learning_rate, epsilon=1e-8),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=True,
        steps_per_execution=min(problem.steps, 32),
    )
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return model, [(variable, np.array(variable)) for variable in variables]
