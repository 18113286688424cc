import pytest
import torch

from goodfit import InputError
from goodfit.data.kinds import kind
from goodfit.models import build, unet


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (4, 31)])
def test_the_output_has_the_size_of_the_input(size):
    assert unet((3, *size), 5)(torch.randn(2, 3, *size)).shape == (2, 5, *size)


def test_the_receptive_field():
    torch.manual_seed(0)
    network = build("unet:4-4-4", (1, 64, 64), 2, seed=0).double().eval()
    x = torch.randn(1, 1, 64, 64, dtype=torch.float64, requires_grad=True)
    network(x)[0, 0, 32, 32].backward()
    reached = x.grad[0, 0] != 0
    assert reached[32, 32]
    assert reached[32, 12:22].any()  # two convolutions reach only 2 pixels to each side
    assert not reached.all()


def test_learns_from_neighbouring_pixels():
    """The mask is the image shifted by one pixel, so a single pixel is not enough to predict it."""
    torch.manual_seed(0)
    x = torch.randn(64, 1, 12, 12)
    y = (x.roll(1, -1) > 0).long()[:, 0]
    network = build("unet:8-8", (1, 12, 12), 2, seed=0)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (network(x).argmax(1) == y).float()
    assert float(right[:, :, 1:].mean()) > 0.95


def test_build_and_sizes():
    assert kind("image").default_network("segmentation") == "unet"
    assert build("unet", (1, 8, 8), 3, 0).head.out_channels == 3
    with pytest.raises(InputError, match="unet: inputs must be images"):
        unet((3, 8), 2)
    with pytest.raises(InputError, match="unet: with 3 levels, images must be at least 4 pixels"):
        unet((1, 3, 9), 2)
    with pytest.raises(InputError, match="every size must be at least 1"):
        unet((1, 9, 9), 2, (4, 0))


@pytest.mark.parametrize(("shape", "outputs"), [((1, 8, 8), 0), ((0, 8, 8), 2)])
def test_outputs_and_channels_are_at_least_1(shape: tuple[int, ...], outputs: int) -> None:
    with pytest.raises(InputError, match=rf"^unet: every size must be at least 1, .*outputs {outputs}"):
        unet(shape, outputs, (4,))
