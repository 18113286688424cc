"""A recipe's techniques inside a network: hooks put in, switched, and taken out again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
    StepContext,
    WeightNoiseHook,
)


class Handle(Protocol):
    """Something that can be taken out of a network again."""

    def remove(self) -> None:
        """Take it out."""
        ...


@dataclass(frozen=True)
class Site:
    """Where a recipe's OnModel technique acts, and what of the place changes it."""

    number: int  # of the technique, among the OnModel techniques of its recipe
    first: bool = False  # the network's own input
    depth: float = 0.0  # of a residual branch

    def acting(self, technique: OnModel) -> OnModel | None:
        """A technique as it acts here; none where it does not."""
        if isinstance(technique, Noise):
            return technique.for_layer(self.first)
        return technique.branch(self.depth) if isinstance(technique, BranchNoise) else technique


@dataclass
class Attachment:
    """What a recipe put into a network. `detach` gives the plain network back."""

    model: nn.Module
    source: StepContext = field(default_factory=StepContext)
    noises: list[Handle] = field(default_factory=list)
    stays: list[Handle] = field(default_factory=list)  # what evaluation needs too, and has no weights
    layers: list[tuple[Handle, nn.Module, str]] = field(default_factory=list)
    learned: dict[str, nn.Parameter] = field(default_factory=dict)
    """Learned strengths by name: trained beside the network's weights, and no part of it."""
    places: dict[str, Site] = field(default_factory=dict)
    learning: dict[str, tuple[str, str, Tensor]] = field(default_factory=dict)
    """Name of a learned strength → its place, its knob, and a tensor like those that it acts on."""
    mixing: list[tuple[int, HiddenMix, int]] = field(default_factory=list)  # number, technique, layers

    def parameters(self) -> dict[str, nn.Parameter]:
        """Everything that is trained: the network's weights by name, and the learned strengths."""
        own = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        return own | {f"{name} (learned)": p for name, p in self.learned.items()}

    def inserted(self) -> list[tuple[dict[str, nn.Parameter], nn.Parameter]]:
        """The parameters of each inserted layer, by name, and one of the layer in front of it."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        return [
            ({names[id(p)]: p for p in host.get_submodule(name).parameters()}, next(host.parameters()))
            for _, host, name in self.layers
        ]

    def place(self, technique: OnModel, where: str, place: Site) -> str:
        """Note a place where a technique acts (a layer, or a tensor); its name."""
        name = f"{technique.name()} {place.number} {where}"
        self.places[name] = place
        return name

    def silence(self) -> nn.Module:
        """Take the noises out and leave inserted layers in: the network that evaluates and predicts."""
        for handle in reversed(self.noises):
            handle.remove()
        self.noises = []
        return self.model

    def detach(self) -> nn.Module:
        """Take everything out again."""
        self.silence()
        for stay in reversed(self.stays):
            stay.remove()
        for handle, module, name in self.layers:
            handle.remove()
            delattr(module, name)
        self.layers, self.stays = [], []
        return self.model


def attach_layers(model: nn.Module, recipe: Recipe, source: StepContext | None = None) -> Attachment:
    """Hook the recipe's OnModel techniques, and what its other stages need inside the network, in the recipe's order.

    Normalisations come first, because they may add layers that a selector of a noise names.

    Raises:
        InputError: a technique finds nothing to act on; the network is then as it was.
    """
    attachment = Attachment(model, source or StepContext())
    try:
        _put_in(attachment, recipe)
    except InputError:
        attachment.detach()
        raise
    return attachment


def _put_in(attachment: Attachment, recipe: Recipe) -> None:
    for technique in recipe.at(Normalization):
        _insert(attachment, technique)
    for number, term in enumerate(recipe.at(OnLoss)):
        if term.uses_activations:
            _watch(attachment, term, number)
    for number, mixing in enumerate(recipe.at(HiddenMix)):
        _mix(attachment, mixing, number)
    _unroll(attachment, recipe.at(Recurrent))  # first, because it computes a layer anew, with whatever weights it has
    for number, acting in enumerate(recipe.at(OnModel)):
        for kind, put in PUT.items():
            if isinstance(acting, kind):
                put(attachment, acting, number)


def _insert(attachment: Attachment, technique: Normalization) -> None:
    chosen = [layer for layer in surgery.layers(attachment.model, technique.on, _who(technique)) if not layer.last]
    fitting = [(layer, surgery.features(layer.module)) for layer in chosen]
    if not any(shape for _, shape in fitting):
        raise _nowhere(technique, "a linear or convolution layer in front of the last one", chosen)
    for layer, shape in fitting:
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
    acting = list(noise_by_layer(technique, chosen))
    if not acting and not technique.idle():
        raise _nowhere(technique, f"a layer whose input it acts on ({technique.text()})", chosen)
    for layer, noise in acting:
        like = next(layer.module.parameters())
        name = attachment.place(technique, layer.name, Site(number, first=layer.first))
        learned = _learn(attachment, noise, layer.name, like, name)
        hook = NoiseHook(noise, attachment.source, learned, name)
        attachment.noises.append(surgery.change_input(layer.module, hook))


def _perturb_branches(attachment: Attachment, technique: BranchNoise, number: int) -> None:
    found = surgery.residual_branches(attachment.model, technique.on, _who(technique))
    for at, (name, module) in enumerate(found, start=1):
        depth = at / len(found)
        place = attachment.place(technique, name, Site(number, depth=depth))
        hook = NoiseHook(technique.branch(depth), attachment.source, {}, place)
        attachment.noises.append(surgery.change_output(module, hook))


def _perturb_weights(attachment: Attachment, technique: WeightPerturbation, number: int) -> None:
    chosen = surgery.select(attachment.model, technique.on, _who(technique))
    plain = [ref for ref in chosen if ref.role == surgery.DIRECT]
    if not plain:
        raise InputError(
            f"{_who(technique)}: it acts on plain weights; {chosen[0].name} is part of a reparametrised one; "
            "choose others with on=."
        )
    tensors: dict[int, tuple[nn.Module, list[tuple[str, LearnedStrengths, str]]]] = {}
    for ref in plain:
        layer, name = surgery.owning_layer(attachment.model, ref)
        place = attachment.place(technique, ref.name, Site(number))
        learned = _learn(attachment, technique, ref.name, ref.tensor, place)
        tensors.setdefault(id(layer), (layer, []))[1].append((name, learned, place))
    for layer, named in tensors.values():
        hook = WeightNoiseHook(technique, attachment.source, tuple(named))
        attachment.noises.append(surgery.wrap_forward(layer, hook))


def _unroll(attachment: Attachment, techniques: Sequence[Recurrent]) -> None:
    acting: dict[int, tuple[nn.Module, list[Recurrent]]] = {}
    for technique in techniques:
        chosen = surgery.layers(attachment.model, technique.on, _who(technique))
        recurrent = [layer for layer in chosen if isinstance(layer.module, nn.RNNBase)]
        if not recurrent:
            raise _nowhere(technique, "a recurrent layer (RNN, LSTM, GRU)", chosen)
        if technique.idle():  # torch's own kernel rounds otherwise than a recurrence computed step by step
            continue
        for layer in recurrent:
            acting.setdefault(id(layer.module), (layer.module, []))[1].append(technique)
    for module, found in acting.values():
        handle = surgery.wrap_forward(module, RecurrentHook(tuple(found), attachment.source))
        (attachment.stays if any(t.acts_in_eval for t in found) else attachment.noises).append(handle)


def _watch(attachment: Attachment, term: OnLoss, number: int) -> None:
    chosen = surgery.layers(attachment.model, term.on, _who(term))
    hidden = [layer for layer in chosen if not layer.first]
    if not hidden:
        raise _nowhere(term, "a layer with hidden activations in front of it", chosen)
    for layer in hidden:
        attachment.noises.append(surgery.change_input(layer.module, ActivationRecorder(attachment.source, number)))


def _mix(attachment: Attachment, technique: HiddenMix, number: int) -> None:
    chosen = [m for _, m in surgery.ordered_layers(attachment.model) if surgery.features(m)]
    if not chosen:
        raise _nowhere(technique, "a linear or convolution layer", [])
    for place, module in enumerate(chosen):
        attachment.noises.append(
            surgery.change_input(module, HiddenMixHook(technique, attachment.source, number, place))
        )
    attachment.mixing.append((number, technique, len(chosen)))


PUT: dict[type[OnModel], Callable[[Attachment, Any, int], None]] = {
    Noise: _perturb,
    BranchNoise: _perturb_branches,
    WeightPerturbation: _perturb_weights,
}


def _learn(attachment: Attachment, technique: OnModel, where: str, like: Tensor, place: str) -> LearnedStrengths:
    """New learned strengths for one place; none where they would start at the value that does nothing."""
    if not isinstance(technique, TrainableStrengths) or technique.idle():
        return {}
    made: LearnedStrengths = {}
    for knob, start in technique.initial_values(like.detach()).items():
        name = f"{technique.name()}.{knob} of {where}"
        made[knob] = attachment.learned[name] = nn.Parameter(start.detach().clone())
        attachment.learning[name] = place, knob, like
    return made


def _nowhere(technique: Technique, wanted: str, looked_at: Sequence[surgery.Layer]) -> InputError:
    found = ", ".join(f"{layer.name or '(network)'} ({type(layer.module).__name__})" for layer in looked_at[:8])
    return InputError(
        f"{_who(technique)}: there must be {wanted}; looked at {found or 'no layer that fits'}; choose layers with "
        "on=, or leave it out."
    )


def _who(technique: Technique) -> str:
    return type(technique).__name__
