"""Class probabilities of one prepared image by a trained segmentation network.

Whole, where the image has the size that the network was trained on; slice by slice in batches, for networks of slices;
else by windows of that size which overlap by half and count less towards their borders (MONAI's sliding window).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medcl.study.errors import BadInput, RunFailed

if TYPE_CHECKING:
    from medcl.networks.segmenter import Segmenter
    from medcl.networks.unet import UNet

Floats = npt.NDArray[np.float32]
Decoder = Literal["mean", "first", "second"]

OVERLAP = 0.5
"""Share of a window that the next one repeats."""


@torch.inference_mode()
def predict(network: Segmenter | UNet, volume: Floats, *, decoder: Decoder = "mean", batch_size: int = 8) -> Floats:
    """Probabilities (K, Z, Y, X) of an image, which sum to 1 over K; class 0 is background.

    Args:
        network: in evaluation mode. Of one with deep supervision only the finest logits count.
        volume: (Z, Y, X) as the run's recipe prepares it, in [0, 1].
        decoder: the mean of the decoders' softmaxes, or the first or the second alone.
        batch_size: slices, or windows, at once.

    Raises:
        BadInput: the network has no second decoder.
        RunFailed: probabilities that are not finite.
    """
    if network.training:
        raise ValueError("predict needs a network in evaluation mode")
    soft = _softmax(network, decoder)
    size, shape = network.encoder.size, tuple(volume.shape)
    image = torch.from_numpy(np.ascontiguousarray(volume, np.float32))
    device = next(network.parameters()).device
    if size[0] == 1 and shape[1:] == size[1:]:
        found = torch.empty((network.classes, *shape), dtype=torch.float32)
        for start in range(0, shape[0], batch_size):
            slices = image[start : start + batch_size, None, None].to(device)  # (B, 1, 1, Y, X)
            found[:, start : start + batch_size] = soft(slices)[:, :, 0].transpose(0, 1).float().cpu()
    elif shape == size:
        found = soft(image[None, None].to(device))[0].float().cpu()
    else:
        found = _by_windows(soft, image, size, batch_size, device)
    if not torch.isfinite(found).all():
        raise RunFailed(
            "the network's probabilities are not finite: its training diverged (see the run's metrics.csv), or its "
            "weights are damaged."
        )
    return np.asarray(found.numpy(), np.float32)


def _softmax(network: Segmenter | UNet, decoder: Decoder) -> Callable[[Tensor], Tensor]:
    if decoder == "mean":
        return network.probabilities
    number = {"first": 0, "second": 1}[decoder]
    if number >= len(network.decoders):
        raise BadInput(f"--decoder {decoder}: the run's network has one decoder: leave the option out.")
    return lambda volumes: network(volumes)[number].float().softmax(dim=1)


def _by_windows(
    soft: Callable[[Tensor], Tensor], image: Tensor, size: tuple[int, int, int], batch_size: int, device: torch.device
) -> Tensor:
    from monai.inferers.utils import sliding_window_inference  # here: importing MONAI takes seconds

    whole = sliding_window_inference(
        image[None, None],
        roi_size=size,
        sw_batch_size=batch_size,
        predictor=soft,
        overlap=OVERLAP,
        mode="gaussian",
        sw_device=device,
        device="cpu",
    )
    assert isinstance(whole, Tensor)
    return whole[0].float()
