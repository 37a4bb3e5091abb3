"""What can be chosen about contrastive translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from medcl.losses.patch_nce import TEMPERATURE
from medcl.networks.patch_positions import PATCHES
from medcl.networks.taps import STEM_TAPS
from medcl.study.errors import BadInput

Reduction = Literal["mean", "sum"]

CONFIDENCE = 0.9


@dataclass(frozen=True)
class TranslationOptions:
    """What can be chosen about the method; weights are the paper's, taps ours.

    Attributes:
        taps: of the generator, whose patches are contrasted (paper: `PAPER_TAPS`).
        patches: positions a tap and image.
        temperature: of PatchNCE.
        gan_weight: of the adversarial loss of the generator.
        nce_weight: of the contrast of source slices and their translations.
        identity_weight: of the contrast of target slices and what the generator makes of them; 0 leaves them out.
        segmentation_weight: of the segmenter's loss on translated slices.
        reduction: of PatchNCE over positions and taps; "sum" is as the paper prints it.
        detach_translated: whether the segmenter's loss stays away from the generator.
        organ_negatives: whether patches of one organ of a labelled source slice are no negatives of each other.
        average: momentum of the moving averages of generator and segmenter; 0 for none.
        self_training: weight of what the segmenter learns from its average on target slices; 0 for none.
        self_training_ramp: steps in which that weight rises; 0 is full from the first step on.
        confidence: least probability of a decision of the average that is learned from.
        betas: of both Adam optimizers.
        seed: of positions and perturbations.

    Raises:
        BadInput: naming every value that cannot be used.
    """

    taps: tuple[str, ...] = STEM_TAPS
    patches: int = PATCHES
    temperature: float = TEMPERATURE
    gan_weight: float = 1.0
    nce_weight: float = 1.0
    identity_weight: float = 1.0
    segmentation_weight: float = 1.0
    reduction: Reduction = "mean"
    detach_translated: bool = False
    organ_negatives: bool = False
    average: float = 0.0
    self_training: float = 0.0
    self_training_ramp: int = 0
    confidence: float = CONFIDENCE
    betas: tuple[float, float] = (0.5, 0.999)
    seed: int = 0

    def __post_init__(self) -> None:
        weights = {
            "--gan-weight": self.gan_weight,
            "--nce-weight": self.nce_weight,
            "--identity-weight": self.identity_weight,
            "--segmentation-weight": self.segmentation_weight,
            "--self-training": self.self_training,
        }
        checks = [
            *((flag, value, "0 or more", value >= 0) for flag, value in weights.items()),
            (
                "--taps",
                " ".join(self.taps) or "empty",
                "one or more names, each once",
                0 < len(self.taps) == len(set(self.taps)),
            ),
            ("--patches", self.patches, "2 or more", self.patches >= 2),
            ("--temperature", self.temperature, "above 0", self.temperature > 0),
            ("--nce-reduction", self.reduction, "mean or sum", self.reduction in get_args(Reduction)),
            ("--average", self.average, "in [0, 1)", 0 <= self.average < 1),
            ("--self-training-ramp", self.self_training_ramp, "0 or more", self.self_training_ramp >= 0),
            ("--confidence", self.confidence, "in [0, 1)", 0 <= self.confidence < 1),
            ("betas of Adam", self.betas, "two numbers in [0, 1)", all(0 <= beta < 1 for beta in self.betas)),
        ]
        problems = [f"{flag} is {value}; expected {expected}." for flag, value, expected, fine in checks if not fine]
        if self.self_training > 0 and self.average == 0:
            problems.append(
                f"--self-training {self.self_training:g} needs a moving average of the segmenter as its teacher; "
                "give --average too, such as --average 0.999."
            )
        if problems:
            raise BadInput(problems)
