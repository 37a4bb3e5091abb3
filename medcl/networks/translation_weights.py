"""Initial weights of the networks of translation (Zeng et al., 2023).

Generator, discriminator and patch projection start small: Xavier normal with a gain of 0.02 (Glorot and Bengio, AISTATS
2010; the public code of Park et al., ECCV 2020). The segmenter, whose leaky ReLUs keep half of what they get, starts
with Kaiming normal by fan-in (He et al., ICCV 2015). Biases start at 0, weights of norms at 1.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.init import kaiming_normal_, xavier_normal_, zeros_

XAVIER_GAIN = 0.02


def xavier_weights(network: nn.Module, gain: float = XAVIER_GAIN) -> None:
    """Draw the weights of all convolutions and linear layers from torch's global generator: Xavier normal.

    Args:
        network: changed in place.
        gain: factor on the standard deviation sqrt(2 / (fan-in + fan-out)).
    """
    _draw(network, lambda weight: xavier_normal_(weight, gain=gain))


def kaiming_weights(network: nn.Module) -> None:
    """Draw the weights of all convolutions and linear layers: Kaiming normal, standard deviation sqrt(2 / fan-in)."""
    _draw(network, lambda weight: kaiming_normal_(weight, mode="fan_in"))


def _draw(network: nn.Module, fill: Callable[[Tensor], Tensor]) -> None:
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            fill(module.weight)
            if module.bias is not None:
                zeros_(module.bias)
