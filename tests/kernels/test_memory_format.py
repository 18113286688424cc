"""Networks train in the channels-last format where it is faster, with the same numbers and the usual saved weights."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.kernels import memory_format, products
from goodfit.kernels.choice import KernelChoice
from goodfit.kernels.memory_format import prefers_channels_last, set_channels_last, unset_channels_last
from goodfit.kernels.products import ProductChoice
from goodfit.registry import all_techniques
from goodfit.stages import Recurrent
from goodfit.surgery import wrap_forward
from goodfit.technique import Technique
from goodfit.testing.data import make_images
from goodfit.testing.runs import strongest
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.run import Run

Shape = tuple[int, ...]


class Branch(nn.Module):
    """x + a convolution of x."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Conv2d(8, 8, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)  # type: ignore[no-any-return]


def convolutional(*extra: nn.Module) -> nn.Sequential:
    """For images of 3 × 8 × 8."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv = partial(nn.Conv2d, bias=False)  # its bias would be lost in batch norm
        body = conv(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), Branch(), conv(8, 6, 3), nn.ReLU(), *extra
        return nn.Sequential(*body, nn.Flatten(), nn.Linear(6 * 16, 12), nn.ReLU(), nn.Linear(12, 3))


def is_channels_last(weight: Tensor) -> bool:
    return weight.is_contiguous(memory_format=memory_format.FORMATS[weight.ndim]) and not weight.is_contiguous()


@pytest.fixture
def compared(cache_file: Path, monkeypatch: pytest.MonkeyPatch) -> list[Shape]:
    """The shapes of the inputs on which networks are timed; the channels-last format then takes half of the time."""
    shapes: list[Shape] = []

    def record(model: nn.Module, x: Tensor) -> float:
        shapes.append(tuple(x.shape))
        return 0.5

    monkeypatch.setattr(memory_format, "compare", record)
    monkeypatch.setattr(products, "measure", ProductChoice)
    return shapes


# ---- the choice --------------------------------------------------------------------------------------


def test_weights_of_convolutions_change_their_format() -> None:
    network = nn.ModuleList(
        [nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 3, 3), nn.Conv3d(2, 3, 2), nn.Conv1d(3, 4, 3), nn.Linear(3, 4)]
    )
    network.register_parameter("position", nn.Parameter(torch.randn(2, 3, 4, 5)))
    parameters, before = (
        dict(network.named_parameters()),
        {n: p.detach().clone() for n, p in network.named_parameters()},
    )
    set_channels_last(network)
    assert [n for n, p in parameters.items() if not p.is_contiguous()] == ["0.weight", "1.weight", "2.weight"]
    assert all(is_channels_last(network[i].weight) for i in range(3))
    assert all(p is parameters[n] and torch.equal(p, before[n]) for n, p in network.named_parameters())
    unset_channels_last(network)
    assert all(p.is_contiguous() for p in network.parameters())


@pytest.mark.parametrize("images", [torch.randn(4, 1, 8, 8), torch.randn(4, 3, 8, 8), torch.randn(4, 2, 6, 6, 6)])
def test_activations_have_the_format_from_the_first_convolution_on(images: Tensor) -> None:
    conv = nn.Conv2d if images.ndim == 4 else nn.Conv3d
    network = nn.Sequential(conv(images.shape[1], 4, 3), nn.ReLU())
    expected = network(images)
    set_channels_last(network)
    assert is_channels_last(network(images))
    torch.testing.assert_close(network(images), expected)
    torch.testing.assert_close(network(images[0]), expected[0])  # one image without its own dimension
    unset_channels_last(network)
    assert network(images).is_contiguous()


def test_other_wrappers_stay() -> None:
    layer = nn.Conv2d(3, 4, 3)
    inner = wrap_forward(layer, lambda layer, forward, args, kwargs: forward(*args))
    set_channels_last(layer)
    outer = wrap_forward(layer, lambda layer, forward, args, kwargs: forward(*args))
    unset_channels_last(layer)
    assert layer.forward is outer
    assert outer.inner is inner
    assert inner.inner is None


def test_a_network_is_timed_once(compared: list[Shape]) -> None:
    assert prefers_channels_last(convolutional(), torch.randn(100, 3, 8, 8))
    assert prefers_channels_last(convolutional(), torch.randn(100, 3, 8, 8))
    assert compared == [(memory_format.ROWS, 3, 8, 8)]
    assert prefers_channels_last(convolutional(nn.Identity()), torch.randn(100, 3, 8, 8))
    assert prefers_channels_last(convolutional(), torch.randn(20, 3, 8, 8))
    assert len(compared) == 3


@pytest.mark.parametrize(("ratio", "chosen"), [(0.5, True), (0.95, True), (0.96, False), (1.5, False)])
def test_a_gain_must_be_clear(
    ratio: float, chosen: bool, compared: list[Shape], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_format, "compare", lambda model, x: ratio)
    assert prefers_channels_last(convolutional(), torch.randn(32, 3, 8, 8)) == chosen


def test_networks_that_are_not_timed(compared: list[Shape], monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randn(8, 3, 8, 8)
    other = convolutional().to(memory_format=torch.channels_last)
    assert not prefers_channels_last(other, images)
    assert not prefers_channels_last(convolutional().double(), images.double())
    assert not prefers_channels_last(nn.Linear(8, 3), torch.randn(8, 8))
    assert not prefers_channels_last(nn.Conv1d(3, 4, 3), torch.randn(8, 3, 9))
    monkeypatch.setenv("GOODFIT_PRODUCTS", "torch")
    assert not prefers_channels_last(convolutional(), images)
    assert not compared


class Reads(nn.Module):
    """Reads activations in a way that depends on their memory format."""

    def __init__(self, read: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.read = read

    def forward(self, x: Tensor) -> Tensor:
        return self.read(x)


def checked(x: Tensor) -> Tensor:
    assert x.is_contiguous()
    return x


@pytest.mark.parametrize(
    "layer",
    [
        Reads(lambda x: x.view(len(x), -1)),
        Reads(lambda x: torch.as_strided(x, x.shape, (96, 16, 4, 1))),
        Reads(checked),
        nn.Dropout(0.5),  # torch draws its mask in the order of the memory
        Reads(lambda x: x if torch.is_grad_enabled() else checked(x)),  # in evaluation only
        Reads(lambda x: checked(x) if len(x) == 1 else x),  # in a last batch of one row
    ],
    ids=["view", "as_strided", "assert", "dropout", "evaluation", "one row"],
)
def test_networks_that_depend_on_the_format_stay_in_the_usual_one(layer: nn.Module, compared: list[Shape]) -> None:
    network, images = convolutional(layer), torch.randn(16, 3, 8, 8)
    assert not prefers_channels_last(network, images)
    assert not prefers_channels_last(network, images)
    assert not compared
    run = fit(network, make_images(), "l2=1e-3", Training(epochs=1, batch_size=48), progress=False)
    assert run.metadata["memory_format"] == "usual"


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), Reads(lambda x: torch.as_strided(x, x.shape, (96, 16, 4, 1)))])
def test_a_last_layer_of_zeros_hides_nothing(layer: nn.Module, compared: list[Shape]) -> None:
    network = convolutional(layer)
    nn.init.zeros_(network[-1].weight)  # type: ignore[arg-type]
    nn.init.zeros_(network[-1].bias)  # type: ignore[arg-type]
    assert not prefers_channels_last(network, torch.randn(16, 3, 8, 8))
    plain = convolutional()
    nn.init.zeros_(plain[-1].weight)  # type: ignore[arg-type]
    assert prefers_channels_last(plain, torch.randn(16, 3, 8, 8))
    assert not plain[-1].weight.any()  # type: ignore[union-attr, operator]


def test_global_generators_are_left_alone_and_may_be_used(compared: list[Shape]) -> None:
    draws = Reads(lambda x: x * random.random() * np.random.rand())
    states = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    assert prefers_channels_last(convolutional(draws), torch.randn(16, 3, 8, 8, generator=torch.Generator()))
    assert states == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index, union-attr]


def test_gradients_do_not_stay_in_the_other_format() -> None:
    network, images = convolutional(), torch.randn(8, 3, 8, 8)
    set_channels_last(network)
    network(images).sum().backward()
    unset_channels_last(network)
    assert all(p.grad is None or p.grad.stride() == p.stride() for p in network.parameters())


def test_the_key_of_a_network_has_no_addresses(compared: list[Shape]) -> None:
    class Shown(nn.Identity):
        def extra_repr(self) -> str:
            return repr(lambda: 0) + repr(object())

    for _ in range(2):
        assert prefers_channels_last(convolutional(Shown()), torch.randn(16, 3, 8, 8))
    assert len(compared) == 1


def test_autocast_and_compiled_networks_decide_nothing(compared: list[Shape]) -> None:
    images = torch.randn(16, 3, 8, 8)
    with torch.autocast("cpu"):
        assert not prefers_channels_last(convolutional(), images)
    assert not prefers_channels_last(nn.Sequential(torch.compile(convolutional(), backend="eager")), images)  # type: ignore[arg-type]
    assert not compared
    assert prefers_channels_last(convolutional(), images)


def test_a_stored_gain_is_no_licence_for_another_network(compared: list[Shape]) -> None:
    read: Callable[[Tensor], Tensor] = F.relu
    network = convolutional(Reads(lambda x: read(x)))
    assert prefers_channels_last(network, torch.randn(16, 3, 8, 8))
    read = checked
    assert not prefers_channels_last(network, torch.randn(16, 3, 8, 8))
    assert len(compared) == 1


def test_the_network_is_left_alone(compared: list[Shape]) -> None:
    network = convolutional()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.eval()
    state = torch.get_rng_state()
    assert prefers_channels_last(network, torch.randn(16, 3, 8, 8, generator=torch.Generator()))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(p.grad is None and p.is_contiguous() for p in network.parameters())
    assert not network.training


# ---- training ----------------------------------------------------------------------------------------

TRAINING = Training(epochs=2, batch_size=32, optimizer="sgd", learning_rate=0.005)
RECIPE = "dropout=0.2, gaussian_noise=0.1, weight_noise=0.01, l1=1e-4, gradient_noise=0.01"


def train(recipe: str | Technique, channels_last: bool, monkeypatch: pytest.MonkeyPatch) -> Run:
    choice = KernelChoice(ProductChoice(), channels_last)
    monkeypatch.setattr(KernelChoice, "of", lambda model, x, rows: choice)
    return fit(convolutional(), make_images(), recipe, TRAINING, progress=False)


def acts_on_images(technique: type[Technique]) -> bool:
    """Whether a technique acts on classes of images in a network without recurrent layers."""
    other_data = technique.kinds and "image" not in technique.kinds
    return not (other_data or issubclass(technique, Recurrent) or technique.needs_targets == "numbers")


@pytest.mark.parametrize("name", sorted(n for n, technique in all_techniques().items() if acts_on_images(technique)))
def test_every_technique_trains_the_same_in_both_formats(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    technique = strongest(all_techniques()[name])
    usual, other = train(technique, False, monkeypatch), train(technique, True, monkeypatch)
    assert (usual.metadata["memory_format"], other.metadata["memory_format"]) == ("usual", "channels-last")
    for weights in ("best", "last"):
        a, b = getattr(usual, weights), getattr(other, weights)
        assert list(a) == list(b)
        for key, weight in a.items():
            difference = float((weight.double() - b[key].double()).norm())
            assert difference <= 1e-3 * float(weight.double().norm()) + 1e-4, key


@pytest.mark.parametrize("average", ["ema=0.9", "snapshot_ensemble=2", "weight_decay=0.1"])
def test_the_network_of_a_run_has_the_usual_format(average: str, tmp_path: Path, compared: list[Shape]) -> None:
    formats = []

    class Watched(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            y = super().forward(x)
            if self.training:
                formats.append((is_channels_last(self.weight), is_channels_last(y)))
            return y

    network = convolutional()
    network[4] = Watched(8, 6, 3)
    checkpoints = Checkpoints(tmp_path / "run", every=1)
    run = fit(network, make_images(), f"{RECIPE}, {average}", TRAINING, checkpoints=checkpoints, progress=False)
    assert compared
    assert set(formats[-6:]) == {(True, True)}
    assert not any("forward" in vars(layer) for model in (run.model, network) for layer in model.modules())
    tensors = [*run.model.parameters(), *run.best.values(), *run.last.values(), *network.parameters()]
    assert all(tensor.is_contiguous() for tensor in tensors)
    with safe_open(tmp_path / "run" / "last.safetensors", framework="pt") as file:
        assert all(torch.equal(file.get_tensor(name), run.last[name]) for name in file.keys())  # noqa: SIM118


@pytest.mark.parametrize("average", ["ema=0.9", "swa", "lookahead", "snapshot_ensemble=2"])
def test_a_resumed_run_keeps_its_kernels(
    average: str, tmp_path: Path, compared: list[Shape], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = f"dropout=0.2, l1=1e-4, spectral_norm=0.9, parametric_noise=0.1, {average}"

    def train(epochs: int, folder: Path, interrupted_at: int = 0) -> Run:
        training = Training(epochs=epochs, batch_size=32)
        checkpoints = Checkpoints(folder, resume=True)
        with pytest.MonkeyPatch.context() as patch:
            if interrupted_at:
                patch.setattr(Checkpoints, "save", interrupting(Checkpoints.save, interrupted_at))
            return fit(convolutional(), make_images(), recipe, training, checkpoints=checkpoints, progress=False)

    uninterrupted = train(3, tmp_path / "uninterrupted")
    assert train(3, tmp_path / "run", interrupted_at=1).epochs == 1
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    monkeypatch.setattr(KernelChoice, "of", lambda model, x, rows: KernelChoice())  # as on another processor
    resumed = train(3, tmp_path / "run")
    assert resumed.epochs == 3
    assert resumed.metadata["memory_format"] == uninterrupted.metadata["memory_format"] == "channels-last"
    assert all(torch.equal(resumed.last[name], weight) for name, weight in uninterrupted.last.items())
    monkeypatch.setenv("GOODFIT_PRODUCTS", "torch")
    switched = train(3, tmp_path / "copy")
    assert switched.metadata["memory_format"] == "usual"
    for name, weight in uninterrupted.last.items():
        torch.testing.assert_close(switched.last[name], weight, rtol=1e-3, atol=1e-4)
    monkeypatch.undo()
    monkeypatch.setattr(KernelChoice, "of", lambda model, x, rows: KernelChoice())
    usual = train(3, tmp_path / "usual")
    train(3, tmp_path / "other", interrupted_at=1)
    monkeypatch.setattr(KernelChoice, "of", lambda model, x, rows: KernelChoice(channels_last=True))
    resumed = train(3, tmp_path / "other")
    assert resumed.metadata["memory_format"] == "usual"
    assert all(torch.equal(resumed.last[name], weight) for name, weight in usual.last.items())


def interrupting(save: Callable[..., None], at: int) -> Callable[..., None]:
    """Ctrl-C after the checkpoint of an epoch."""

    def save_and_interrupt(self: Checkpoints, run: Any, epoch: int, *rest: Any) -> None:
        save(self, run, epoch, *rest)
        if epoch == at:
            raise KeyboardInterrupt

    return save_and_interrupt


@pytest.mark.parametrize("recipe", ["", "dropout=0.3, gaussian_noise=0.2, gaussian_dropout=0.2, weight_noise=0.05"])
def test_populations_equal_solo_runs_of_networks_in_channels_last(recipe: str) -> None:
    network = convolutional().to(memory_format=torch.channels_last)
    solo = fit(network, make_images(), recipe, TRAINING, seed=3, progress=False)
    (member,) = fit_many(network, make_images(), [recipe], TRAINING, seeds=[3], population=True, progress=False)
    for name, weight in solo.last.items():
        torch.testing.assert_close(member.last[name], weight, rtol=1e-3, atol=1e-5)
