"""Predictions of trained networks: raw outputs, masks, ensembles, and Monte Carlo samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from goodfit.checks import whole_number
from goodfit.data.metrics import predicted_classes
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import BranchNoise, Noise, Recurrent, TrainableStrengths, WeightPerturbation
from goodfit.surgery import NORMS, copy_module
from goodfit.technique import Technique
from goodfit.train.rng import generator, stream
from goodfit.train.stages.on_model import attach_layers

ROWS = 2048
"""Rows in a forward pass without gradients, at most."""
VALUES = 2**22
"""Input values in a forward pass without gradients, at most, so that the activations of large inputs fit in memory."""
RANDOM_LAYERS = (nn.modules.dropout._DropoutNd, nn.RNNBase)


def chunk_size(x: Tensor) -> int:
    """The rows of x (n, …) in one forward pass without gradients.

    >>> chunk_size(torch.zeros(1, 20)), chunk_size(torch.zeros(1, 3, 256, 256))
    (2048, 21)
    """
    return max(1, min(ROWS, VALUES // max(1, x[0].numel())))


def predict_outputs(model: nn.Module, x: Tensor) -> Tensor:
    """The network's raw outputs for all rows x (n, …), in evaluation mode and without gradients."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(chunk) for chunk in x.split(chunk_size(x))])


def predict_masks(model: nn.Module, x: Tensor) -> Tensor:
    """The predicted class (rows, height, width) uint8 of each pixel of images x, in evaluation mode."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([mask_of(model(chunk)) for chunk in x.split(chunk_size(x))])


def mask_of(output: Tensor) -> Tensor:
    """The predicted classes (rows, height, width) uint8 from logits (rows, class, height, width)."""
    return predicted_classes(output.movedim(1, -1)).to(torch.uint8)


# ---- ensembles -------------------------------------------------------------------------------------


class EnsembleModel(nn.Module):
    """The mean prediction of several networks: of probabilities for classes, of outputs for numbers.

    Shape: x (batch, …) → (batch, outputs), for masks (batch, outputs, height, width). For classes the outputs are
    logits of the mean probabilities.
    """

    def __init__(self, members: Sequence[nn.Module], task: str) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.task = task

    def forward(self, x: Tensor) -> Tensor:
        """The mean over the members."""
        outputs = torch.stack([member(x) for member in self.members])  # (member, batch, output)
        if self.task == "regression":
            return outputs.mean(0)
        if outputs.ndim == 2 or outputs.shape[2] == 1:  # one logit: that of the second of two classes
            return torch.logit(torch.sigmoid(outputs).mean(0))
        return torch.log_softmax(outputs, 2).exp().mean(0).log()


def with_weights(network: nn.Module, weights: Mapping[str, Tensor], task: str) -> nn.Module:
    """The network with these weights; an `EnsembleModel` of copies of it if they are the weights of an ensemble."""
    network = network.members[0] if isinstance(network, EnsembleModel) else network
    prefix = "members."
    numbers = {name.split(".")[1] for name in weights if name.startswith(prefix)}
    if numbers and not any(name.startswith(prefix) for name in network.state_dict()):
        network = EnsembleModel([copy_module(network) for _ in numbers], task)
    network.load_state_dict(weights)
    return network


# ---- Monte Carlo samples ---------------------------------------------------------------------------


def predict_mc(model: nn.Module, recipe: Recipe, x: Tensor, n_samples: int, seed: int) -> Tensor:
    """Raw outputs (n_samples, rows, outputs) with the recipe's noise active, drawn anew for each sample.

    Normalization layers compute as in evaluation. Noise with a learned scale is left out. The network is unchanged.

    Raises:
        InputError: neither the recipe nor the network has noise.
    """
    n_samples = whole_number("predict_mc", "n_samples", n_samples, 1)
    noises = Recipe(tuple(t for t in recipe if _is_noise(t)))
    members = list(model.members) if isinstance(model, EnsembleModel) else [model]
    if not len(noises) and not any(isinstance(m, RANDOM_LAYERS) and _dropout_rate(m) for m in model.modules()):
        raise InputError(
            f"predict_mc: the recipe or the network must have noise, got recipe '{recipe}' and a network without "
            "dropout; every sample would be the same."
        )
    noise, networks = generator(seed, 0, "noise", x.device), []
    for member in members:
        attachment = attach_layers(copy_module(member), noises)
        attachment.context.generator = noise
        networks.append(_train_mode_except_norms(attachment.model))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(stream(seed, 0, "user"))
        cycle = (networks[i % len(networks)] for i in range(n_samples))
        return torch.stack([torch.cat([network(rows) for rows in x.split(chunk_size(x))]) for network in cycle])


def _is_noise(technique: Technique) -> bool:
    kinds = (Noise, BranchNoise, WeightPerturbation, Recurrent)
    return isinstance(technique, kinds) and not isinstance(technique, TrainableStrengths)


def _dropout_rate(module: nn.Module) -> float:
    return float(getattr(module, "p", getattr(module, "dropout", 0.0)))


def _train_mode_except_norms(network: nn.Module) -> nn.Module:
    network.train()
    for module in network.modules():
        if isinstance(module, NORMS):
            module.eval()
    return network
