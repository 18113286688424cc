"""The eight places of a training step where a technique may act: abstract classes, one file per place.

Every method is a pure function: tensors and what was drawn in, tensors out. What is random is drawn by `draw` (from
the run's own generator) and used by the method beside it, so that the same drawing serves one network or many.
Knob values may be tensors inside these methods (a population's members differ in strength, a scheduled strength
changes from step to step): no branching on them.
"""

from goodfit.stages.augmentation import (
    Alteration,
    Augmentation,
    Distortion,
    Geometry,
    Mirror,
    Moving,
    Policy,
)
from goodfit.stages.common import SCHEDULES, Clock, Draw, Learned, Paced, Scheduled, selector, share
from goodfit.stages.on_batch import Attack, Change, HiddenMix, OnBatch
from goodfit.stages.on_epoch import Decision, OnEpoch, State, Watch
from goodfit.stages.on_eval import Averaged, Ensemble, OnEval, Pulling
from goodfit.stages.on_grads import Gradient, OnGrads
from goodfit.stages.on_loss import Forward, OnLoss
from goodfit.stages.on_model import (
    BranchNoise,
    InputNoise,
    Noise,
    Normalisation,
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
    Proximal,
    Quadratic,
    Scaling,
    Smooth,
    soft_threshold,
)
from goodfit.stages.reach import acting_noises, why_not

__all__ = [
    "SCHEDULES",
    "Alteration",
    "Attack",
    "Augmentation",
    "Averaged",
    "BranchNoise",
    "Change",
    "Clock",
    "Decay",
    "Decision",
    "Distortion",
    "Draw",
    "Ensemble",
    "Forward",
    "Geometry",
    "Gradient",
    "HiddenMix",
    "InputNoise",
    "Learned",
    "Mirror",
    "Moving",
    "Noise",
    "Normalisation",
    "OnBatch",
    "OnEpoch",
    "OnEval",
    "OnGrads",
    "OnLoss",
    "OnModel",
    "OnSample",
    "OnWeights",
    "Paced",
    "Penalty",
    "Policy",
    "Projection",
    "Proximal",
    "Pulling",
    "Quadratic",
    "Recurrent",
    "Scaling",
    "Scheduled",
    "Smooth",
    "State",
    "Synthesis",
    "Watch",
    "WeightPerturbation",
    "acting_noises",
    "selector",
    "share",
    "soft_threshold",
    "why_not",
]
