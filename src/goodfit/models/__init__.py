"""Reference networks without regularization."""

from goodfit.models.build import build
from goodfit.models.cnn import cnn
from goodfit.models.initialize import initialize, reinitialize
from goodfit.models.mel import LogMel, mel_cnn
from goodfit.models.mlp import mlp
from goodfit.models.resnet import resnet
from goodfit.models.text import bag, text_cnn
from goodfit.models.unet import unet

__all__ = [
    "LogMel",
    "bag",
    "build",
    "cnn",
    "initialize",
    "mel_cnn",
    "mlp",
    "reinitialize",
    "resnet",
    "text_cnn",
    "unet",
]
