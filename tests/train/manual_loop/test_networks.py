"""`attach` on many kinds of networks: parameter names stay, `detach` removes everything, and torch's tools work."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.train.manual_loop.attach import attach
from goodfit.train.manual_loop.regularizer import Regularizer

Network = Callable[..., nn.Module]
Loop = Callable[..., Regularizer]
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def hook_counts(model: nn.Module) -> list[int]:
    """The number of hooks of each kind on each layer."""
    return [len(getattr(module, name)) for module in model.modules() for name in HOOKS]


def with_weights_of(model: nn.Module, other: nn.Module) -> nn.Module:
    """The other network with the weights of the model, in evaluation mode."""
    other.load_state_dict(model.state_dict())
    return other.eval()


def test_training_keeps_parameter_names_and_detach_removes_everything(
    kind: str, stage: str, network: Network, recipes: dict[str, str], own_loop: Loop, three_class_split: Split
) -> None:
    model, x = network(kind), three_class_split.stop.x
    before, hooks = {n: t.clone() for n, t in model.state_dict().items()}, hook_counts(model)
    keys_in_training: list[list[str]] = []
    hook = model.register_forward_hook(lambda *_: keys_in_training.append(list(model.state_dict())))
    reg = own_loop(model, recipes[stage])
    hook.remove()
    if stage != "normalization":
        assert all(keys == list(before) for keys in keys_in_training)
    assert reg.detach() is model
    after = model.state_dict()
    assert list(after) == list(before)
    changed = [n for n in after if not torch.equal(after[n], before[n])]
    assert changed
    assert not any(name.startswith("0.") for name in changed) or kind != "frozen"
    assert all(bool(torch.isfinite(t).all()) for t in after.values())
    assert hook_counts(model) == hooks
    assert not any("forward" in vars(module) for module in model.modules())
    model.eval()
    torch.testing.assert_close(model(x), with_weights_of(model, network(kind))(x))  # nothing acts in it any more


def test_a_trained_network_can_be_copied_pickled_and_exported(
    kind: str, network: Network, recipes: dict[str, str], own_loop: Loop, three_class_split: Split
) -> None:
    """Except where torch cannot: it cannot pickle layers with weight norm, nor copy those with its old weight norm."""
    model, x = network(kind), three_class_split.stop.x
    own_loop(model, recipes["all"] + ", zoneout" * (kind in ("lstm", "gru"))).detach().eval()
    copies = []
    if kind != "old_weight_norm":
        copies.append(copy.deepcopy(model))
    if "weight_norm" not in kind:
        copies.append(pickle.loads(pickle.dumps(model)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # from torch, about the weights of recurrent layers
        copies.append(torch.export.export(model, (x,)).module())
    for other in copies:
        torch.testing.assert_close(other(x), model(x))


def test_the_recipe_does_not_act_in_a_copy_of_the_network(network: Network, three_class_split: Split) -> None:
    model, x = network(), three_class_split.train.x
    reg = attach(model, "dropout=0.5, activity_l1=0.1, weight_noise=0.3")
    other = copy.deepcopy(model).train()
    assert torch.equal(other(x), network()(x))
    assert all(hook.context.forward_record is None for hook in other._forward_hooks.values())
    assert not torch.equal(model.train()(x), other(x))
    reg.batch(x, three_class_split.train.y)
    loss = model(x).sum() + reg.penalty()
    loss.backward()
    assert all(p.grad is None for p in other.parameters())


def test_tied_weights_are_penalized_once(network: Network, own_loop: Loop) -> None:
    model = network("tied")
    reg = own_loop(model, "l1=0.05, ema=0, early_stopping=5", torch.optim.SGD(model.parameters(), lr=0.1))
    assert model[2].weight is model[0].weight  # type: ignore[index]
    w, head = model[0].weight.detach(), model[4].weight.detach()  # type: ignore[index]
    assert bool((w == 0).any())
    assert reg.penalties()["penalty_l1"] == pytest.approx(0.05 * float(w.abs().sum() + head.abs().sum()), rel=1e-5)


def test_frozen_layers_keep_their_bits(network: Network, own_loop: Loop) -> None:
    model = network("frozen")
    before = model[0].weight.clone()  # type: ignore[index]
    own_loop(model, "l1=0.05, l2=0.1, weight_decay=0.5, max_norm=0.1, sam, clip_grad_norm=1, ema=0.5")
    assert torch.equal(model[0].weight, before)  # type: ignore[index]
    with pytest.raises(InputError, match=r"got on='kernel 0' \(0.weight: frozen\)"):
        attach(model, "l1(0.05, on='kernel 0')", torch.optim.SGD(model.parameters()))


@pytest.mark.parametrize("which", ["weight_norm", "old_weight_norm"])
def test_max_norm_bounds_the_effective_weights_of_layers_with_weight_norm(
    which: str, network: Network, own_loop: Loop
) -> None:
    model = network(which)
    own_loop(model, "max_norm=0.3").detach()
    for number in (0, 2):
        norms = model[number].weight.detach().norm(dim=1)  # type: ignore[index]
        assert bool((norms <= 0.3 * (1 + 1e-5)).all())
        assert float(norms.max()) == pytest.approx(0.3, rel=1e-5)


# ---- compiled ----------------------------------------------------------------------------------------


# Where torch's compiler interrupts a graph, it reads .grad of intermediate tensors.
IGNORE_GRAD_WARNING = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


def compiled(model: nn.Module, how: str, backend: str, x: Tensor) -> tuple[nn.Module, nn.Module]:
    """The network to pass to `attach`, and the network that the loop calls."""
    if how == "in place":
        model.compile(backend=backend)
        return model, model
    compiled_model = torch.compile(model, backend=backend)
    if how != "before its first call":
        compiled_model.train()(x)
    return (model, compiled_model) if how == "original attached" else (compiled_model, compiled_model)


@IGNORE_GRAD_WARNING
@pytest.mark.parametrize(
    ("how", "backend", "recipe"),
    [
        ("before its first call", "eager", "dropout=0.3"),
        ("before its first call", "aot_eager", "activity_l2=0.1, r_drop, dropout=0.3"),
        ("after its first call", "eager", "weight_noise=0.1"),
        ("after its first call", "aot_eager", "dropout=0.3"),
        ("after its first call", "aot_eager", "sam, clip_grad_norm=1, l1=0.01"),
        ("after its first call", "eager", "layer_norm"),
        ("in place", "aot_eager", "gaussian_noise=0.1"),
        ("in place", "eager", "activity_l2=0.1, confidence_penalty=0.1"),
        ("original attached", "aot_eager", "dropout=0.3"),
        ("original attached", "eager", "activity_l2=0.1, manifold_mixup"),
    ],
)
def test_compiled_networks_train_like_others(
    how: str, backend: str, recipe: str, network: Network, own_loop: Loop, three_class_split: Split
) -> None:
    x = three_class_split.train.x[:48]  # as large as a batch: torch compiles again for another size
    plain, model = network(), network()
    attached, called = compiled(model, how, backend, x)
    reg = own_loop(attached, recipe, torch.optim.SGD(model.parameters(), lr=0.05), epochs=1, forward=called)
    called.train()(x)  # compiles with the inserted layers, which stay until `detach`
    reg.detach()
    own_loop(plain, recipe, torch.optim.SGD(plain.parameters(), lr=0.05), epochs=1).detach()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)
    called.train()
    torch.testing.assert_close(called(x), plain.train()(x))  # compiled code without the noise
    torch._dynamo.reset()


@IGNORE_GRAD_WARNING
@pytest.mark.parametrize("which", ["lstm", "transformer", "weight_norm", "old_weight_norm"])
def test_other_kinds_of_compiled_networks(
    which: str, network: Network, own_loop: Loop, three_class_split: Split
) -> None:
    recipe = "activity_l2=0.01, l1=1e-3, sam, mixup=0.2, ema=0.5"
    plain, model = network(which), network(which)
    attached, _ = compiled(model, "after its first call", "eager", three_class_split.train.x[:48])
    own_loop(attached, recipe, torch.optim.SGD(model.parameters(), lr=0.05), epochs=1).detach()
    own_loop(plain, recipe, torch.optim.SGD(plain.parameters(), lr=0.05), epochs=1).detach()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)
    torch._dynamo.reset()


# ---- mixed precision ---------------------------------------------------------------------------------


def test_training_in_mixed_precision_is_close_to_full_precision(
    stage: str, network: Network, recipes: dict[str, str], own_loop: Loop
) -> None:
    plain, model = network(), network()
    sgd = [torch.optim.SGD(m.parameters(), lr=0.05) for m in (plain, model)]
    own_loop(plain, recipes[stage], sgd[0]).detach()
    with torch.autocast("cpu", torch.bfloat16):
        own_loop(model, recipes[stage], sgd[1]).detach()
    for parameter, expected in zip(model.parameters(), plain.parameters(), strict=True):
        assert parameter.dtype == torch.float32
        torch.testing.assert_close(parameter, expected, rtol=0.1, atol=0.03)


# ---- several inputs ----------------------------------------------------------------------------------


class TwoInputs(nn.Module):
    """Takes two inputs, by position or by name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.drop, self.head = nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3)

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        return self.head(self.drop(torch.relu(self.layer(x if shift is None else x + shift))))


@pytest.mark.parametrize("call", [lambda m, x: m(x, x), lambda m, x: m(x, shift=x), lambda m, x: m(shift=x, x=x)])
def test_terms_of_the_loss_work_with_several_inputs(call: Callable[..., Tensor], three_class_split: Split) -> None:
    model, x, y = TwoInputs(), three_class_split.train.x, three_class_split.train.y
    with attach(model, "r_drop=1, activity_l1=0.1", data=(x, y)) as reg:
        xs, ys = reg.batch(x, y)
        before = torch.get_rng_state()
        output = call(model, xs)
        assert float(reg.penalty().detach()) > 0
        assert not torch.equal(torch.get_rng_state(), before)  # the network's own dropout drew from it
        assert output.shape == (len(ys), 3)
