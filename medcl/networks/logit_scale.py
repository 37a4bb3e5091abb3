"""The learned scale of cosines before a softmax: 1 / temperature (Radford et al., CLIP, ICML 2021, section 2.5).

Its logarithm is the weight, so that steps are relative. It starts at 1/0.07 and is held to at most 100, as CLIP found
necessary for stable training. It is held where it is used: the weight itself is cut back before each use in training,
as CLIP does after each step, so that it cannot run away where nobody sees it and is free to fall at once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

FIRST_TEMPERATURE = 0.07
LARGEST = 100.0


class LogitScale(nn.Module):
    """Gives the scale, a scalar with gradient, when called; there is no input.

    Args:
        first: the scale before training, above 0.
        largest: it is never above this.
    """

    def __init__(self, first: float = 1 / FIRST_TEMPERATURE, largest: float = LARGEST) -> None:
        super().__init__()
        self.log_largest = math.log(largest)
        self.logarithm = nn.Parameter(torch.tensor(math.log(first)))

    def forward(self) -> Tensor:
        """Return the scale."""
        if self.training:
            with torch.no_grad():
                self.logarithm.clamp_(max=self.log_largest)
        # subtracted and not clamped: a clamp would keep the weight for its gradient, and the next use may cut it
        return (self.logarithm - (self.logarithm.detach() - self.log_largest).clamp(min=0)).exp()
