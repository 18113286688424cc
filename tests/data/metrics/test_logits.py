import math

import numpy as np
import pytest
import torch

from goodfit.data.metrics import log_odds

LOGITS = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
P = LOGITS.double().softmax(1).numpy()


def test_log_odds_equal_the_formula() -> None:
    assert np.allclose(log_odds(LOGITS), np.log(P / (1 - P)))
    assert np.allclose(log_odds(LOGITS[:, 0]), np.stack([-LOGITS[:, 0], LOGITS[:, 0]], 1))
    assert log_odds(torch.tensor([[0.0, 100.0, 0.0]]))[0, 1] == pytest.approx(100 - math.log(2))
