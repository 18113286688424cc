"""Runs the OnModel stage: inserts a recipe's hooks and layers into a network, and removes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import (
    BranchNoise,
    HiddenMix,
    Noise,
    Normalization,
    OnLoss,
    OnModel,
    Recurrent,
    TrainableStrengths,
    WeightPerturbation,
    noise_by_layer,
)
from goodfit.technique import Technique
from goodfit.train.stages.hooks import (
    ActivationRecorder,
    HiddenMixHook,
    LearnedStrengths,
    NoiseHook,
    RecurrentHook,
    SiteKey,
    StepContext,
    WeightNoiseHook,
)

LEARNED = " (learned)"
"""Suffix that marks learned strengths among the names of trained parameters."""


class Handle(Protocol):
    """A hook that can be removed from a network."""

    def remove(self) -> None:
        """Remove it."""
        ...


@dataclass(frozen=True)
class Site:
    """A layer or tensor on which an OnModel technique acts, with the properties on which its strength depends."""

    number: int  # of the technique, among the OnModel techniques of its recipe
    first: bool = False  # whether it is the network's own input
    depth: float = 0.0  # of a residual branch

    def at_site(self, technique: OnModel) -> OnModel | None:
        """The technique with its strength at this site; None if it does not act here."""
        if isinstance(technique, Noise):
            return technique.for_layer(self.first)
        return technique.branch(self.depth) if isinstance(technique, BranchNoise) else technique


class LearnedSite(NamedTuple):
    """Where a learned strength acts: its site, its knob, and the weight or input on which the technique acts."""

    site: SiteKey
    knob: str
    like: Tensor


class HiddenMixSite(NamedTuple):
    """A HiddenMix technique with its number and the number of layers among which it chooses."""

    number: int
    technique: HiddenMix
    layers: int


@dataclass
class Attachment:
    """A recipe's hooks and layers in a network. `detach` restores the plain network."""

    model: nn.Module
    context: StepContext = field(default_factory=StepContext)
    training_hooks: list[Handle] = field(default_factory=list)
    eval_hooks: list[Handle] = field(default_factory=list)  # hooks without weights that evaluation needs too
    layers: list[tuple[Handle, nn.Module, str]] = field(default_factory=list)
    learned: dict[str, nn.Parameter] = field(default_factory=dict)
    """Learned strengths by name. They are trained with the network's weights but are not part of the network."""
    sites: dict[SiteKey, Site] = field(default_factory=dict)
    learned_sites: dict[str, LearnedSite] = field(default_factory=dict)
    hidden_mixes: list[HiddenMixSite] = field(default_factory=list)

    def parameters(self) -> dict[str, nn.Parameter]:
        """All trained parameters by name: the network's weights, and the learned strengths."""
        weights = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        return weights | {f"{name}{LEARNED}": p for name, p in self.learned.items()}

    def inserted(self) -> list[tuple[dict[str, nn.Parameter], nn.Parameter]]:
        """The parameters of each inserted layer, by name, and one parameter of the layer in front of it."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        return [
            ({names[id(p)]: p for p in host.get_submodule(name).parameters()}, next(host.parameters()))
            for _, host, name in self.layers
        ]

    def add_site(self, technique: OnModel, where: str, site: Site) -> SiteKey:
        """Register a layer or tensor on which a technique acts."""
        key = SiteKey(technique.name(), site.number, where)
        self.sites[key] = site
        return key

    def remove_training_hooks(self) -> nn.Module:
        """Remove the hooks that act in training only: the network for evaluation and prediction."""
        for handle in reversed(self.training_hooks):
            handle.remove()
        self.training_hooks = []
        return self.model

    def detach(self) -> nn.Module:
        """Remove all hooks and inserted layers."""
        self.remove_training_hooks()
        for handle in reversed(self.eval_hooks):
            handle.remove()
        for handle, module, name in self.layers:
            handle.remove()
            delattr(module, name)
        self.layers, self.eval_hooks = [], []
        return self.model


def attach_layers(model: nn.Module, recipe: Recipe, context: StepContext | None = None) -> Attachment:
    """Insert the hooks and layers of a recipe into a network, in the recipe's order.

    Normalization layers come first, because the selector of a noise may name them.

    Raises:
        InputError: a technique finds no layer or tensor to act on; the network is left unchanged.
    """
    attachment = Attachment(model, context or StepContext())
    try:
        _insert_all(attachment, recipe)
    except InputError:
        attachment.detach()
        raise
    return attachment


def _insert_all(attachment: Attachment, recipe: Recipe) -> None:
    for technique in recipe.at(Normalization):
        _insert_norm(attachment, technique)
    for number, term in enumerate(recipe.at(OnLoss)):
        if term.uses_activations:
            _record_activations(attachment, term, number)
    for number, mix in enumerate(recipe.at(HiddenMix)):
        _mix_hidden(attachment, mix, number)
    _unroll(attachment, recipe.at(Recurrent))  # before weight noise, whose weights it must use
    for number, perturbation in enumerate(recipe.at(OnModel)):
        for kind, insert in INSERT.items():
            if isinstance(perturbation, kind):
                insert(attachment, perturbation, number)


def _insert_norm(attachment: Attachment, technique: Normalization) -> None:
    chosen = [layer for layer in surgery.layers(attachment.model, technique.on, _who(technique)) if not layer.last]
    candidates = [(layer, surgery.features(layer.module)) for layer in chosen]
    if not any(shape for _, shape in candidates):
        raise _no_site(technique, "a linear or convolution layer in front of the last one", chosen)
    for layer, shape in candidates:
        if shape is None:
            continue
        if hasattr(layer.module, technique.name()):
            raise InputError(
                f"{_who(technique)}: layer '{layer.name}' has a {technique.name()} already; choose others with on=."
            )
        added = technique.layer(*shape).to(next(layer.module.parameters()))
        handle = surgery.append_layer(layer.module, technique.name(), added)
        attachment.layers.append((handle, layer.module, technique.name()))


def _perturb(attachment: Attachment, technique: Noise, number: int) -> None:
    chosen = surgery.layers(attachment.model, technique.on, _who(technique))
    noisy_layers = list(noise_by_layer(technique, chosen))
    if not noisy_layers and not technique.idle():
        raise _no_site(technique, f"a layer whose input it acts on ({technique.text()})", chosen)
    for layer, noise in noisy_layers:
        like = next(layer.module.parameters())
        site = attachment.add_site(technique, layer.name, Site(number, first=layer.first))
        learned = _learned_strengths(attachment, noise, like, site)
        hook = NoiseHook(noise, attachment.context, learned, site)
        attachment.training_hooks.append(surgery.change_input(layer.module, hook))


def _perturb_branches(attachment: Attachment, technique: BranchNoise, number: int) -> None:
    branches = surgery.residual_branches(attachment.model, technique.on, _who(technique))
    for position, (name, module) in enumerate(branches, start=1):
        depth = position / len(branches)
        site = attachment.add_site(technique, name, Site(number, depth=depth))
        hook = NoiseHook(technique.branch(depth), attachment.context, {}, site)
        attachment.training_hooks.append(surgery.change_output(module, hook))


def _perturb_weights(attachment: Attachment, technique: WeightPerturbation, number: int) -> None:
    chosen = surgery.select(attachment.model, technique.on, _who(technique))
    direct = [ref for ref in chosen if ref.role == surgery.DIRECT]
    if not direct:
        raise InputError(
            f"{_who(technique)}: it acts on plain weights; {chosen[0].name} is part of a reparametrized weight; "
            "choose others with on=."
        )
    tensors: dict[int, tuple[nn.Module, list[tuple[str, LearnedStrengths, SiteKey]]]] = {}
    for ref in direct:
        layer, name = surgery.owning_layer(attachment.model, ref)
        site = attachment.add_site(technique, ref.name, Site(number))
        learned = _learned_strengths(attachment, technique, ref.tensor, site)
        tensors.setdefault(id(layer), (layer, []))[1].append((name, learned, site))
    for layer, of_layer in tensors.values():
        hook = WeightNoiseHook(technique, attachment.context, tuple(of_layer))
        attachment.training_hooks.append(surgery.wrap_forward(layer, hook))


def _unroll(attachment: Attachment, techniques: Sequence[Recurrent]) -> None:
    by_layer: dict[int, tuple[nn.Module, list[Recurrent]]] = {}
    for technique in techniques:
        chosen = surgery.layers(attachment.model, technique.on, _who(technique))
        recurrent = [layer for layer in chosen if isinstance(layer.module, nn.RNNBase)]
        if not recurrent:
            raise _no_site(technique, "a recurrent layer (RNN, LSTM, GRU)", chosen)
        if technique.idle():  # torch's kernel and a recurrence computed step by step differ in rounding
            continue
        for layer in recurrent:
            by_layer.setdefault(id(layer.module), (layer.module, []))[1].append(technique)
    for module, of_layer in by_layer.values():
        handle = surgery.wrap_forward(module, RecurrentHook(tuple(of_layer), attachment.context))
        in_eval = any(t.acts_in_eval for t in of_layer)
        (attachment.eval_hooks if in_eval else attachment.training_hooks).append(handle)


def _record_activations(attachment: Attachment, term: OnLoss, number: int) -> None:
    chosen = surgery.layers(attachment.model, term.on, _who(term))
    hidden = [layer for layer in chosen if not layer.first]
    if not hidden:
        raise _no_site(term, "a layer with hidden activations in front of it", chosen)
    for layer in hidden:
        recorder = ActivationRecorder(attachment.context, number)
        attachment.training_hooks.append(surgery.change_input(layer.module, recorder))


def _mix_hidden(attachment: Attachment, technique: HiddenMix, number: int) -> None:
    layers = [m for _, m in surgery.ordered_layers(attachment.model) if surgery.features(m)]
    if not layers:
        raise _no_site(technique, "a linear or convolution layer", [])
    for position, module in enumerate(layers):
        hook = HiddenMixHook(technique, attachment.context, number, position)
        attachment.training_hooks.append(surgery.change_input(module, hook))
    attachment.hidden_mixes.append(HiddenMixSite(number, technique, len(layers)))


INSERT: dict[type[OnModel], Callable[[Attachment, Any, int], None]] = {
    Noise: _perturb,
    BranchNoise: _perturb_branches,
    WeightPerturbation: _perturb_weights,
}


def _learned_strengths(attachment: Attachment, technique: OnModel, like: Tensor, site: SiteKey) -> LearnedStrengths:
    """New learned strengths for one site; empty if nothing is learned, or if they would start at neutral values."""
    if not isinstance(technique, TrainableStrengths) or technique.idle():
        return {}
    strengths: LearnedStrengths = {}
    for knob, start in technique.initial_values(like.detach()).items():
        name = f"{technique.name()}.{knob} of {site.where}"
        strengths[knob] = attachment.learned[name] = nn.Parameter(start.detach().clone())
        attachment.learned_sites[name] = LearnedSite(site, knob, like)
    return strengths


def _no_site(technique: Technique, needed: str, candidates: Sequence[surgery.Layer]) -> InputError:
    names = ", ".join(f"{layer.name or '(network)'} ({type(layer.module).__name__})" for layer in candidates[:8])
    return InputError(
        f"{_who(technique)}: the network must have {needed}, found {names or 'no such layer'}; choose layers with on=, "
        "or leave the technique out."
    )


def _who(technique: Technique) -> str:
    return type(technique).__name__
