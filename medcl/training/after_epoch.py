"""What a caller of the loop may do after each epoch, such as draw pictures, without a trace in the training."""

from __future__ import annotations

from collections.abc import Callable

import torch

from medcl.study.errors import MedclError, RunFailed
from medcl.training.distributed import is_main
from medcl.training.interrupt import Interrupted
from medcl.training.method import Method
from medcl.training.randomness import untouched_randomness

AfterEpoch = Callable[[int], None]
"""Is told how many epochs of the run are over, from 1."""


def call_after_epoch(call: AfterEpoch | None, method: Method, epochs: int, device: torch.device) -> None:
    """Make the call on the first rank; the others go on, and wait for it where they next meet.

    The method is in evaluation mode for it and in training mode afterwards, there are no gradients, and every
    generator is left as it was, whatever the call draws. It must not change weights.

    Args:
        call: None does nothing.
        method: that trains.
        epochs: that are over, from 1.
        device: where the method trains.

    Raises:
        RunFailed: the call raised an error for users.
    """
    if call is None or not is_main():
        return
    method.eval()
    try:
        with untouched_randomness(device), torch.no_grad():
            call(epochs)
    except Interrupted:
        raise
    except MedclError as error:
        raise RunFailed([f"What follows epoch {epochs} failed:", *error.problems]) from error
    finally:
        method.train()
