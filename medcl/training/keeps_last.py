"""Whether a run keeps its last epoch's weights, or those of the lowest validation loss."""

from __future__ import annotations

from medcl.training.method import Method
from medcl.training.phased import Phased


def keeps_last(method: Method) -> bool:
    """Tell whether the last epoch's weights are kept, whatever the validation says.

    So it is with `Phased` methods, since losses of phases do not compare, and with those that say `keeps_last = True`,
    such as adversarial ones, whose loss tells how evenly both sides play and not how well.
    """
    return isinstance(method, Phased) or bool(getattr(method, "keeps_last", False))
