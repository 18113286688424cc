"""The eight stages of a training step at which a technique may act. One file per stage, with its abstract base classes.

To write a technique, derive from one of these classes, declare the knobs, and implement the abstract methods:

- Methods are pure functions: tensors in, tensors out. A technique is immutable; whatever it has to remember between
  steps is a state, which a method receives and returns.
- Everything random is drawn in `draw` (or `sample`), from the generator that it receives. The other methods receive
  the drawn tensors, so that the same draws serve one network or many.
- Knob values may be tensors inside these methods: members of a population differ in strength, and a scheduled strength
  changes from step to step. Compute with knob values, but do not branch on them.
"""

from goodfit.stages.applicability import inapplicable_reason, is_neutral, noise_by_layer
from goodfit.stages.augmentation import (
    Augmentation,
    AugmentationPolicy,
    DisplacementWarp,
    Flip,
    MatrixWarp,
    SpatialTransform,
    ValueTransform,
)
from goodfit.stages.common import (
    SCHEDULES,
    Clock,
    Draw,
    Periodic,
    ScalesLearningRate,
    Scheduled,
    TrainableStrengths,
    acts_now,
    is_scheduled,
    rate_knob,
    selector,
)
from goodfit.stages.on_batch import Attack, BatchTransform, HiddenMix, OnBatch
from goodfit.stages.on_epoch import Decision, MonitorSpec, OnEpoch, StopState
from goodfit.stages.on_eval import AveragedWeights, Ensemble, OnEval, ResettingAverage
from goodfit.stages.on_grads import Gradient, OnGrads
from goodfit.stages.on_loss import ForwardPass, OnLoss
from goodfit.stages.on_model import (
    BitNoise,
    BranchNoise,
    InputNoise,
    Noise,
    Normalization,
    OnModel,
    Recurrent,
    WeightPerturbation,
)
from goodfit.stages.on_sample import OnSample, Synthesis
from goodfit.stages.on_weights import (
    Decay,
    OnWeights,
    Penalty,
    Projection,
    ProximalPenalty,
    QuadraticPenalty,
    Scaling,
    SmoothPenalty,
    axis_knob,
    norm_axes,
    soft_threshold,
)
from goodfit.stages.sound_base import SoundTransform
from goodfit.stages.text_base import TextTransform

__all__ = [
    "SCHEDULES",
    "Attack",
    "Augmentation",
    "AugmentationPolicy",
    "AveragedWeights",
    "BatchTransform",
    "BitNoise",
    "BranchNoise",
    "Clock",
    "Decay",
    "Decision",
    "DisplacementWarp",
    "Draw",
    "Ensemble",
    "Flip",
    "ForwardPass",
    "Gradient",
    "HiddenMix",
    "InputNoise",
    "MatrixWarp",
    "MonitorSpec",
    "Noise",
    "Normalization",
    "OnBatch",
    "OnEpoch",
    "OnEval",
    "OnGrads",
    "OnLoss",
    "OnModel",
    "OnSample",
    "OnWeights",
    "Penalty",
    "Periodic",
    "Projection",
    "ProximalPenalty",
    "QuadraticPenalty",
    "Recurrent",
    "ResettingAverage",
    "ScalesLearningRate",
    "Scaling",
    "Scheduled",
    "SmoothPenalty",
    "SoundTransform",
    "SpatialTransform",
    "StopState",
    "Synthesis",
    "TextTransform",
    "TrainableStrengths",
    "ValueTransform",
    "WeightPerturbation",
    "acts_now",
    "axis_knob",
    "inapplicable_reason",
    "is_neutral",
    "is_scheduled",
    "noise_by_layer",
    "norm_axes",
    "rate_knob",
    "selector",
    "soft_threshold",
]
