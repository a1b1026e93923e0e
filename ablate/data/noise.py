"""What a 2D detector gets wrong, as a seeded model.

Detectors fine-tuned on Human3.6M err by several pixels in its 1000-pixel pictures, more at wrists and ankles, and now
and then grossly; and an error lasts, because neighbouring frames look alike. Noise that is independent from frame to
frame would flatter everything that smooths, pruning with interpolation among it. The figures are ours, chosen to look
like such detectors, and fitted to none.

Legend: T frames of a recording, J joints.
"""

import math

import numpy as np

from ablate.data.arrays import Array

#: Standard deviation of x and of y at each joint, in pixels of a picture where a metre spans PIXELS_PER_METRE: one of
#: Human3.6M's, of a person 5 m away.
SIGMA_PX_J = np.array([3.0, 3.5, 4.5, 6.5, 3.5, 4.5, 6.5, 3.5, 3.0, 3.5, 4.0, 4.0, 5.5, 7.5, 4.0, 5.5, 7.5])
PIXELS_PER_METRE = 229.0
LASTING = 0.6  # the share of the variance that is correlated in time
MEMORY = 0.2  # seconds in which that share's correlation falls to 1/e
GROSS_SHARE = 0.01  # of all joints in all frames
GROSS_SCALE = 10.0  # standard deviations of a gross error, in SIGMA_PX_J
GROSS_SECONDS = 0.1


def correlated(white_TX: Array, memory: float) -> Array:
    """White unit noise (T, ...) turned into a stationary AR(1) of unit variance.

    ``memory`` is the coefficient from frame to frame. Each round doubles how far back the sum of weighted past draws
    reaches, so a recording takes log2(T) vectorised rounds and no loop over frames.
    """
    out_TX = white_TX * math.sqrt(1 - memory**2)
    out_TX[0] = white_TX[0]
    reach = 1
    while reach < len(out_TX):
        out_TX[reach:] = out_TX[reach:] + memory**reach * out_TX[:-reach]
        reach *= 2
    return out_TX


def _gross(frames: int, joints: int, fps: float, rng: np.random.Generator) -> Array:
    """Gross errors (T, J, 2) in units of a joint's deviation: zero but for rare spells of about GROSS_SECONDS."""
    length = max(1, round(GROSS_SECONDS * fps))
    begins_TJ = rng.random((frames, joints)) < GROSS_SHARE / length
    offset_TJ2 = rng.normal(0, GROSS_SCALE, (frames, joints, 2))
    now_T1 = np.arange(frames)[:, None]
    latest_TJ = np.maximum.accumulate(np.where(begins_TJ, now_T1, -length), axis=0)
    held_TJ2 = np.take_along_axis(offset_TJ2, np.maximum(latest_TJ, 0)[..., None], axis=0)
    return np.where((now_T1 - latest_TJ < length)[..., None], held_TJ2, 0.0)


def detector_noise(size_T: Array, fps: float, rng: np.random.Generator, sigma_px_J: Array = SIGMA_PX_J) -> Array:
    """Errors (T, 17, 2) to add to 2D coordinates; ``sigma_px_J`` as SIGMA_PX_J.

    ``size_T`` is what a metre at the person spans in the picture, in the unit of these coordinates (focal length by
    depth): a detector works on the person's own part of the picture, so its errors shrink with the person. Each
    coordinate has a lasting and a fresh Gaussian part, and rare gross errors on top.
    """
    shape = (len(size_T), len(sigma_px_J), 2)
    lasting_TJ2 = correlated(rng.standard_normal(shape), math.exp(-1 / (MEMORY * fps)))
    fresh_TJ2 = rng.standard_normal(shape)
    error_TJ2 = math.sqrt(LASTING) * lasting_TJ2 + math.sqrt(1 - LASTING) * fresh_TJ2
    error_TJ2 += _gross(shape[0], shape[1], fps, rng)
    deviation_TJ = size_T[:, None] * sigma_px_J / PIXELS_PER_METRE
    error_TJ2 *= deviation_TJ[..., None]
    return error_TJ2
