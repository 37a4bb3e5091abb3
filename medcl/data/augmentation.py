"""What may happen to an image on its way to the network, and how much: the settings of `data/augment.py`.

The probabilities are the paper's (Milecki et al., MIDL 2022); degrees and scale the defaults of the library that its
code calls; noise up to 0.05, as in the code (the paper's 0.5 would drown intensities of [0, 1]).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from medcl.study.errors import BadInput

BLUR_CUT = 4.0
"""The blur's kernel is cut at so many of the largest standard deviation."""

LIMITS = {"rotation_degrees": 180.0, "scale": 0.9, "blur_sigma": 10.0, "noise_sd": 10.0, "gamma": 3.0, "elastic": 100.0}
"""Largest values that make sense; everything else goes up to 1."""


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an image and how much; every draw is uniform.

    Attributes:
        flip_probability: of mirroring left and right.
        affine_probability: of rotating and scaling.
        rotation_degrees: largest angle about each of the three axes.
        scale: largest relative change of size along each axis, in [0, 1).
        isotropic_scale: one change of size for all axes.
        blur_probability: of blurring.
        blur_sigma: largest standard deviation along each axis, in voxels.
        noise_probability: of adding Gaussian noise.
        noise_sd: largest standard deviation of the noise, in units of the intensity range [0, 1].
        crop: smallest and largest side of a box that is cut out and enlarged to the whole size, as parts of the
            image's sides; one for all axes, at a random place within the image. None cuts nothing out.
        gamma_probability: of taking intensities to a power.
        gamma: largest logarithm of that power, upwards and downwards; 0 is none.
        brightness_probability: of adding a number to all intensities.
        brightness: largest such number, upwards and downwards; 0 is none.
        contrast_probability: of stretching intensities about their mean.
        contrast: largest relative change of contrast, up to 1; 0 is none.
        crop_probability: of cutting out at all; the rest shows the whole image.
        sharpness_probability: of making an image sharper or softer.
        sharpness: largest amount a of fine detail that is added or taken away, x + a (x - blur(x)), up to 1; 0 is none.
        elastic_probability: of an elastic deformation.
        elastic: largest displacement of its control points along y and x, in voxels of the stored image; 0 is none.
            Above 0.12 of an image's side it may fold (`data/elastic.py`).
        curve_probability: of taking intensities through a random smooth curve of [0, 1], rising as often as falling
            (Zhou et al., Models Genesis, Medical Image Analysis 67, 2021).

    Raises:
        BadInput: naming every value that cannot be used.
    """

    flip_probability: float = 0.5
    affine_probability: float = 0.5
    rotation_degrees: float = 10.0
    scale: float = 0.1
    isotropic_scale: bool = False
    blur_probability: float = 1.0
    blur_sigma: float = 0.5
    noise_probability: float = 1.0
    noise_sd: float = 0.05
    crop: tuple[float, float] | None = None
    gamma_probability: float = 1.0
    gamma: float = 0.0
    brightness_probability: float = 1.0
    brightness: float = 0.0
    contrast_probability: float = 1.0
    contrast: float = 0.0
    crop_probability: float = 1.0
    sharpness_probability: float = 1.0
    sharpness: float = 0.0
    elastic_probability: float = 1.0
    elastic: float = 0.0
    curve_probability: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        for field in fields(self):
            value = getattr(self, field.name)
            most = LIMITS.get(field.name, 1.0)
            if field.name != "crop" and not 0 <= value <= most:
                problems.append(f"augmentation {field.name} is {value}; expected a number in [0, {most:g}].")
        if self.crop is not None and not 0 < self.crop[0] <= self.crop[1] <= 1:
            low, high = self.crop
            problems.append(
                f"augmentation crop is {low} to {high}; expected two numbers above 0 and up to 1, the smaller first."
            )
        if problems:
            raise BadInput(problems)

    @property
    def blur_radius(self) -> int:
        """Voxels to either side that the blur's kernel reaches."""
        return int(BLUR_CUT * self.blur_sigma + 0.5)


DENSE_VIEWS = Augmentation(
    flip_probability=0.5,
    affine_probability=1.0,
    rotation_degrees=20.0,
    scale=0.0,
    blur_probability=0.0,
    noise_sd=0.05,
    crop=(0.5, 1.0),
    gamma=0.3,
    brightness=0.1,
    contrast=0.2,
)
"""Views for dense contrastive pretraining (ours; Basak et al., ICASSP 2023, give none). The crop does the scaling."""

PROMPT_VIEWS = Augmentation(blur_probability=0.5, noise_probability=0.5, gamma_probability=0.5, gamma=0.3)
"""Views beside clinical prompts (Milecki et al., MIDL 2023): flip, affine, blur, noise and gamma, each as often."""

CLUSTER_VIEWS = Augmentation(
    flip_probability=0.5,
    affine_probability=0.5,
    rotation_degrees=30.0,
    scale=0.0,
    blur_probability=0.5,
    blur_sigma=1.0,
    noise_probability=0.5,
    noise_sd=0.05,
    crop=(0.6, 1.0),
    crop_probability=0.5,
)
"""Views for contrastive clustering: what happens, how often and how far an image turns are those of Ferrante et al.
(2023). They give no other degrees, so these are ours, mild enough for images of 28 x 28 pixels: blur of up to one
voxel, noise as above, and crops that keep 0.6 of each side or more, about a third of the picture.
"""
