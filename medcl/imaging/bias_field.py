"""Takes the bias field of a receiver coil out of an MR image, by N4 as SimpleITK has it.

N. J. Tustison et al., N4ITK: improved N3 bias correction, IEEE Transactions on Medical Imaging 29(6), 2010.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

SHRINK = 4
"""The field is found on an image this many times coarser (the authors' own setting); it is smooth anyway."""

ITERATIONS = (50, 50, 50, 50)
"""At most, for each of the four levels of resolution of the field (the authors' own setting)."""

INSTALL = "--n4: SimpleITK is not installed; pip install 'medcl[n4]'."


def require_simpleitk() -> None:
    """Tell how to install SimpleITK where it is missing.

    Raises:
        BadInput: it is missing.
    """
    if find_spec("SimpleITK") is None:
        raise BadInput(INSTALL)


def without_bias(image: Volume) -> Volume:
    """The image divided by its bias field, which is found where Otsu's threshold sees tissue.

    Runs in one thread, so that the same image gives the same numbers with any number of cores.

    Args:
        image: (Z, Y, X), canonical.

    Raises:
        BadInput: SimpleITK is missing, or it cannot find a field.
    """
    require_simpleitk()
    import SimpleITK  # an extra

    itk: Any = SimpleITK
    itk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    whole = itk.GetImageFromArray(image.voxels)
    z, y, x = image.spacing
    whole.SetSpacing((x, y, z))
    tissue = itk.OtsuThreshold(whole, 0, 1)
    shrink = [min(SHRINK, size) for size in whole.GetSize()]
    find = itk.N4BiasFieldCorrectionImageFilter()
    find.SetMaximumNumberOfIterations(ITERATIONS)
    try:
        find.Execute(itk.Shrink(whole, shrink), itk.Shrink(tissue, shrink))
        field = itk.GetArrayFromImage(find.GetLogBiasFieldAsImage(whole))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise BadInput(f"--n4 finds no bias field in it ({reason}): leave --n4 out.") from None
    voxels = image.voxels / np.exp(field, dtype=np.float32)
    return Volume(np.ascontiguousarray(voxels, dtype=np.float32), image.affine)
