"""From the world to the screen and back, in the conventions and with the distortion model of VideoPose3D.

Everything is computed in float64. Legend: ``_3`` and ``_2`` are points with any leading axes.
"""

import numpy as np

from ablate.data.arrays import Array
from ablate.data.recording import Camera

Quaternion = tuple[float, float, float, float]


def rotation_matrix(quaternion: Quaternion) -> Array:
    """The 3 x 3 rotation of a quaternion (w, x, y, z), normalised first (calibrations come rounded)."""
    w, x, y, z = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def world_to_camera(world_3: Array, camera: Camera) -> Array:
    """Points (..., 3) in camera axes, metres."""
    return (np.asarray(world_3, np.float64) - camera.translation) @ rotation_matrix(camera.orientation)


def camera_to_world(points_3: Array, camera: Camera) -> Array:
    """The inverse of ``world_to_camera``."""
    return np.asarray(points_3, np.float64) @ rotation_matrix(camera.orientation).T + camera.translation


def _ratios(points_3: Array) -> Array:
    points_3 = np.asarray(points_3, np.float64)
    return np.clip(points_3[..., :2] / points_3[..., 2:], -1, 1)


def project(points_3: Array, camera: Camera) -> Array:
    """Normalised screen coordinates (..., 2) of points in camera axes, with radial and tangential distortion.

    The ratios x/z and y/z are held within -1..1 and the tangential terms are not OpenCV's: both as VideoPose3D has
    them, because the published 2D of Human3.6M follow it.
    """
    focal, centre, radial, tangential = np.split(np.asarray(camera.intrinsic, np.float64), (2, 4, 7))
    ratios_2 = _ratios(points_3)
    x_1, y_1 = ratios_2[..., :1], ratios_2[..., 1:]
    squared_1 = x_1**2 + y_1**2
    bend_1 = 1 + squared_1 * (radial[0] + squared_1 * (radial[1] + squared_1 * radial[2]))
    shear_1 = tangential[0] * x_1 + tangential[1] * y_1
    bent_2: Array = focal * (ratios_2 * (bend_1 + shear_1) + tangential * squared_1) + centre
    return bent_2


def project_linear(points_3: Array, camera: Camera) -> Array:
    """Like ``project``, without distortion."""
    focal, centre = np.split(np.asarray(camera.intrinsic[:4], np.float64), 2)
    return focal * _ratios(points_3) + centre


def normalise_screen(pixels_2: Array, resolution: tuple[int, int]) -> Array:
    """Pixels (..., 2) to the screen where the width spans -1..1 and the height keeps its proportion."""
    width, height = resolution
    screen_2: Array = np.asarray(pixels_2, np.float64) / width * 2 - np.array([1, height / width])
    return screen_2


def denormalise_screen(screen_2: Array, resolution: tuple[int, int]) -> Array:
    """The inverse of ``normalise_screen``."""
    width, height = resolution
    pixels_2: Array = (np.asarray(screen_2, np.float64) + np.array([1, height / width])) * width / 2
    return pixels_2
