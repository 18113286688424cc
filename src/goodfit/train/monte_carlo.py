"""Monte Carlo prediction: the network's answers with its noise left on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.checks import whole_number
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import BranchNoise, Noise, Recurrent, TrainableStrengths, WeightPerturbation
from goodfit.surgery import NORMS, copy_module
from goodfit.technique import Technique
from goodfit.train.ensemble import EnsembleModel
from goodfit.train.evaluate import at_once
from goodfit.train.rng import generator, stream
from goodfit.train.stages.on_model import attach_layers

OWN_NOISE = (nn.modules.dropout._DropoutNd, nn.RNNBase)


def sampled(model: nn.Module, recipe: Recipe, x: Tensor, times: int, seed: int) -> Tensor:
    """Raw outputs (times, rows, outputs), each time with other noise; the network itself stays as it is.

    Normalisations compute as in evaluation. Noise whose scale was learned is not in it.
    """
    times = whole_number("sampled", "times", times, 1)
    noises = Recipe(tuple(t for t in recipe if _random(t)))
    members = list(model.committee) if isinstance(model, EnsembleModel) else [model]
    if not len(noises) and not any(isinstance(m, OWN_NOISE) and _rate(m) for m in model.modules()):
        raise InputError("sampled: neither the recipe nor the network has noise; every answer would be the same.")
    noise, networks = generator(seed, 0, "noise", x.device), []
    for member in members:
        attachment = attach_layers(copy_module(member), noises)
        attachment.source.generator = noise
        networks.append(_in_training(attachment.model))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(stream(seed, 0, "user"))
        chosen = (networks[i % len(networks)] for i in range(times))
        return torch.stack([torch.cat([network(rows) for rows in x.split(at_once(x))]) for network in chosen])


def _random(technique: Technique) -> bool:
    kinds = (Noise, BranchNoise, WeightPerturbation, Recurrent)
    return isinstance(technique, kinds) and not isinstance(technique, TrainableStrengths)


def _rate(module: nn.Module) -> float:
    return float(getattr(module, "p", getattr(module, "dropout", 0.0)))


def _in_training(network: nn.Module) -> nn.Module:
    network.train()
    for module in network.modules():
        if isinstance(module, NORMS):
            module.eval()
    return network
