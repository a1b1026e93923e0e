"""The type of a numeric array whose shape its name carries, and what an array of poses from a file must be."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ablate.errors import DataError

Array = npt.NDArray[np.floating[Any]]


def poses(value: Any, where: str, joints: int, coordinates: int, mend: str = "get the file again") -> Array:
    """``value``, which is found at ``where``, if it is an array (T, joints, coordinates), T > 0, of finite floats.

    Raises DataError otherwise, whose message ends in ``mend``.
    """
    expected = f"(T, {joints}, {coordinates})"
    if not isinstance(value, np.ndarray):
        raise DataError(f"{where}: holds {type(value).__name__}, expected an array {expected}; {mend}")
    if value.ndim != 3 or value.shape[1:] != (joints, coordinates) or not len(value):
        raise DataError(f"{where}: has shape {value.shape}, expected {expected}; {mend}")
    if value.dtype.kind != "f":
        raise DataError(f"{where}: holds {value.dtype}, expected floating-point numbers; {mend}")
    bad_T = ~np.isfinite(value).all(axis=(1, 2))
    if bad_T.any():
        raise DataError(f"{where}: {bad_T.sum()} frames hold NaN or infinity, first {bad_T.argmax()}; {mend}")
    return value
