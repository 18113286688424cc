"""Plain reference networks that know nothing of techniques."""

from goodfit.models.build import build
from goodfit.models.cnn import cnn
from goodfit.models.initialise import initialise, reset
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
    "initialise",
    "mel_cnn",
    "mlp",
    "reset",
    "resnet",
    "text_cnn",
    "unet",
]
