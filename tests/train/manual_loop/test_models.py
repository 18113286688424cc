"""`attach` on networks that were not built for it: nothing renamed, nothing left behind, nothing in the way."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.train.manual_loop.attach import Regularizer, attach

Network = Callable[..., nn.Module]
Loop = Callable[..., Regularizer]
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def hooks(model: nn.Module) -> list[int]:
    return [len(getattr(module, name)) for module in model.modules() for name in HOOKS]


def twin(model: nn.Module, like: nn.Module) -> nn.Module:
    like.load_state_dict(model.state_dict())
    return like.eval()


def test_trains_keeps_keys_and_restores(
    kind: str, stage: str, network: Network, recipes: dict[str, str], own_loop: Loop, three_class_split: Split
) -> None:
    model, x = network(kind), three_class_split.stop.x
    before, hooked = {n: t.clone() for n, t in model.state_dict().items()}, hooks(model)
    seen: list[list[str]] = []
    hook = model.register_forward_hook(lambda *_: seen.append(list(model.state_dict())))
    reg = own_loop(model, recipes[stage])
    hook.remove()
    if stage != "normalisation":
        assert all(keys == list(before) for keys in seen)
    assert reg.detach() is model
    after = model.state_dict()
    assert list(after) == list(before)
    moved = [n for n in after if not torch.equal(after[n], before[n])]
    assert moved
    assert not any(name.startswith("0.") for name in moved) or kind != "frozen"
    assert all(bool(torch.isfinite(t).all()) for t in after.values())
    assert hooks(model) == hooked
    assert not any("forward" in vars(module) for module in model.modules())
    model.eval()
    torch.testing.assert_close(model(x), twin(model, network(kind))(x))  # it computes what its weights say


def test_copies_pickles_and_exports(
    kind: str, network: Network, recipes: dict[str, str], own_loop: Loop, three_class_split: Split
) -> None:
    """As far as torch itself can: weight-normed layers cannot be pickled, nor copied in the old form."""
    model, x = network(kind), three_class_split.stop.x
    own_loop(model, recipes["all"] + ", zoneout" * (kind in ("lstm", "gru"))).detach().eval()
    twins = []
    if kind != "old_weight_norm":
        twins.append(copy.deepcopy(model))
    if "weight_norm" not in kind:
        twins.append(pickle.loads(pickle.dumps(model)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's own, about the weights of recurrent layers
        twins.append(torch.export.export(model, (x,)).module())
    for other in twins:
        torch.testing.assert_close(other(x), model(x))


def test_a_copy_of_a_network_at_work_is_silent(network: Network, three_class_split: Split) -> None:
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


def test_tied_weights_are_penalised_once(network: Network, own_loop: Loop) -> None:
    model = network("tied")
    reg = own_loop(model, "l1=0.05, ema=0, early_stopping=5", torch.optim.SGD(model.parameters(), lr=0.1))
    assert model[2].weight is model[0].weight  # type: ignore[index]
    w, head = model[0].weight.detach(), model[4].weight.detach()  # type: ignore[index]
    assert bool((w == 0).any())
    assert reg.penalties()["penalty_l1"] == pytest.approx(0.05 * float(w.abs().sum() + head.abs().sum()), rel=1e-5)


def test_frozen_layers_stay_to_the_bit(network: Network, own_loop: Loop) -> None:
    model = network("frozen")
    before = model[0].weight.clone()  # type: ignore[index]
    own_loop(model, "l1=0.05, l2=0.1, weight_decay=0.5, max_norm=0.1, sam, clip_grad_norm=1, ema=0.5")
    assert torch.equal(model[0].weight, before)  # type: ignore[index]
    with pytest.raises(InputError, match=r"got on='kernel 0' \(0.weight: frozen\)"):
        attach(model, "l1(0.05, on='kernel 0')", torch.optim.SGD(model.parameters()))


@pytest.mark.parametrize("which", ["weight_norm", "old_weight_norm"])
def test_weight_normed_layers_are_bounded_by_their_norms(which: str, network: Network, own_loop: Loop) -> None:
    model = network(which)
    own_loop(model, "max_norm=0.3").detach()
    for number in (0, 2):
        norms = model[number].weight.detach().norm(dim=1)  # type: ignore[index]
        assert bool((norms <= 0.3 * (1 + 1e-5)).all())
        assert float(norms.max()) == pytest.approx(0.3, rel=1e-5)


# ---- compiled ----------------------------------------------------------------------------------------


# torch's compiler looks at .grad of tensors in between, where it has to interrupt a graph.
QUIET = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")


def compiled(model: nn.Module, how: str, backend: str, x: Tensor) -> tuple[nn.Module, nn.Module]:
    """What `attach` is given, and what the loop calls."""
    if how == "in place":
        model.compile(backend=backend)
        return model, model
    made = torch.compile(model, backend=backend)
    if how != "before its first call":
        made.train()(x)
    return (model, made) if how == "beside" else (made, made)


@QUIET
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
        ("beside", "aot_eager", "dropout=0.3"),
        ("beside", "eager", "activity_l2=0.1, manifold_mixup"),
    ],
)
def test_compiled_networks_train_alike(
    how: str, backend: str, recipe: str, network: Network, own_loop: Loop, three_class_split: Split
) -> None:
    x, plain, model = (
        three_class_split.train.x[:48],
        network(),
        network(),
    )  # of the size of a batch: others are compiled anew
    given, called = compiled(model, how, backend, x)
    reg = own_loop(given, recipe, torch.optim.SGD(model.parameters(), lr=0.05), epochs=1, forward=called)
    called.train()(x)  # compiled with the layers that stay
    reg.detach()
    own_loop(plain, recipe, torch.optim.SGD(plain.parameters(), lr=0.05), epochs=1).detach()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)
    called.train()
    torch.testing.assert_close(called(x), plain.train()(x))  # the noise is out of the compiled code too
    torch._dynamo.reset()


@QUIET
@pytest.mark.parametrize("which", ["lstm", "transformer", "weight_norm", "old_weight_norm"])
def test_other_compiled_networks(which: str, network: Network, own_loop: Loop, three_class_split: Split) -> None:
    recipe = "activity_l2=0.01, l1=1e-3, sam, mixup=0.2, ema=0.5"
    plain, model = network(which), network(which)
    given, _ = compiled(model, "after its first call", "eager", three_class_split.train.x[:48])
    own_loop(given, recipe, torch.optim.SGD(model.parameters(), lr=0.05), epochs=1).detach()
    own_loop(plain, recipe, torch.optim.SGD(plain.parameters(), lr=0.05), epochs=1).detach()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)
    torch._dynamo.reset()


# ---- mixed precision ---------------------------------------------------------------------------------


def test_autocast(stage: str, network: Network, recipes: dict[str, str], own_loop: Loop) -> None:
    plain, model = network(), network()
    sgd = [torch.optim.SGD(m.parameters(), lr=0.05) for m in (plain, model)]
    own_loop(plain, recipes[stage], sgd[0]).detach()
    with torch.autocast("cpu", torch.bfloat16):
        own_loop(model, recipes[stage], sgd[1]).detach()
    for mine, other in zip(model.parameters(), plain.parameters(), strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, other, rtol=0.1, atol=0.03)


def scaled(
    model: nn.Module, recipe: str, split: Split, scaler: Any, break_at: int = -1, break_again: int = -1
) -> tuple[Regularizer, int]:
    x, y, count = split.train.x, split.train.y, [0]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with attach(model, recipe, optimizer, epochs=2, steps_per_epoch=3) as reg:
        for number in range(6):

            def closure(number: int = number) -> None:
                count[0] += 1
                factor = float("inf") if number == break_at or count[0] == break_again else 1.0
                loss = F.cross_entropy(model(x), y) * factor
                (loss if scaler is None else scaler.scale(loss)).backward()

            closure()
            reg.step(closure, scaler=scaler)
            if scaler is not None:
                scaler.update()
    return reg, count[0]


@pytest.mark.parametrize(
    "recipe", ["l1=0.01, l2=0.1, max_norm=1", "clip_grad_norm=0.2", "sam=0.2, clip_grad_norm=0.2", "ema=0.3"]
)
@pytest.mark.parametrize("enabled", [True, False])
def test_a_scaler_changes_nothing(recipe: str, enabled: bool, three_class_split: Split, network: Network) -> None:
    plain, model = network(), network()
    scaled(plain, recipe, three_class_split, None)
    scaled(model, recipe, three_class_split, torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=enabled))
    for mine, other in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("recipe", ["l1=0.01, weight_decay=0.1, max_norm=0.5, clip_grad_norm=0.2", "sam=0.2"])
@pytest.mark.parametrize("where", [{"break_at": 0}, {"break_at": 5}])
def test_a_step_that_the_scaler_leaves_out_moves_nothing(
    recipe: str, where: dict[str, int], three_class_split: Split, network: Network
) -> None:
    model, short = network(), network()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=100)
    reg, passes = scaled(model, recipe, three_class_split, scaler, **where)
    assert reg.steps == 6
    assert scaler.get_scale() == 512.0  # it has noticed
    assert passes == 6 + 5 * recipe.startswith("sam")  # no second pass where the first one was not finite
    five = torch.optim.SGD(short.parameters(), lr=0.1, momentum=0.9)
    with attach(short, recipe, five) as other:
        for _ in range(5):

            def closure() -> None:
                F.cross_entropy(short(three_class_split.train.x), three_class_split.train.y).backward()

            closure()
            other.step(closure)
    for mine, expected in zip(model.parameters(), short.parameters(), strict=True):
        torch.testing.assert_close(mine, expected)


def test_a_second_pass_that_overflows_is_left_out_too(three_class_split: Split, network: Network) -> None:
    model, scaler = network(), torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=100)
    scaled(model, "sam=0.2", three_class_split, scaler, break_again=2)
    assert scaler.get_scale() == 512.0
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


# ---- inputs that are not one tensor ------------------------------------------------------------------


class Several(nn.Module):
    """Takes two inputs, by place or by name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.drop, self.head = nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3)

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        return self.head(self.drop(torch.relu(self.layer(x if shift is None else x + shift))))


@pytest.mark.parametrize("call", [lambda m, x: m(x, x), lambda m, x: m(x, shift=x), lambda m, x: m(shift=x, x=x)])
def test_terms_of_the_loss_with_several_inputs(call: Callable[..., Tensor], three_class_split: Split) -> None:
    model, x, y = Several(), three_class_split.train.x, three_class_split.train.y
    with attach(model, "r_drop=1, activity_l1=0.1", data=(x, y)) as reg:
        xs, ys = reg.batch(x, y)
        before = torch.get_rng_state()
        output = call(model, xs)
        assert float(reg.penalty().detach()) > 0
        assert not torch.equal(torch.get_rng_state(), before)  # the user's own dropout drew in the first pass
        assert output.shape == (len(ys), 3)
