"""From the world to the screen and back, in the conventions and with the distortion model of VideoPose3D.

Everything is computed in float64. Legend: ``_3`` and ``_2`` are points with any leading axes.
"""

import math

import numpy as np

from ablate.data.arrays import Array
from ablate.data.recording import Camera

Quaternion = tuple[float, float, float, float]

FOCAL_PX = 1145.0
RESOLUTION = (1000, 1000)
IN_VIEW = math.hypot(1.0, 2 * FOCAL_PX / RESOLUTION[0])


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


def _turn(first: Quaternion, then: Quaternion) -> Quaternion:
    (a, b, c, d), (e, f, g, h) = first, then
    return (
        a * e - b * f - c * g - d * h,
        a * f + b * e + c * h - d * g,
        a * g - b * h + c * e + d * f,
        a * h + b * g - c * f + d * e,
    )


def ring(world_TJ3: Array, count: int, rng: np.random.Generator) -> tuple[Camera, ...]:
    """``count`` virtual cameras evenly around a recording (T, 17, 3), much as Human3.6M's four stand in its room.

    The ring's centre is the middle of the ground that the person covers. Its radius is 4 to 5 m, or, where the motion
    travels further, what keeps a circle around all of it inside the picture: so nobody leaves a picture to the side,
    and nobody comes near a camera or behind it. Cameras stand 1.2 to 1.8 m high and look at the person's middle height;
    the first one's direction is drawn, and each is moved a little from its even place. They have no lens distortion, so
    a mirrored picture is the picture of mirrored motion.
    """
    ground_2 = world_TJ3[..., :2].reshape(-1, 2).astype(np.float64)
    centre_2 = (ground_2.min(axis=0) + ground_2.max(axis=0)) / 2
    reach = float(np.linalg.norm(ground_2 - centre_2, axis=-1).max())
    middle = float(world_TJ3[:, 0, 2].mean())
    first = rng.uniform(0, 2 * math.pi)
    focal = 2 * FOCAL_PX / RESOLUTION[0]
    cameras = []
    for i in range(count):
        azimuth = first + (i + rng.uniform(-0.2, 0.2)) * 2 * math.pi / count
        radius = max(rng.uniform(4, 5), IN_VIEW * reach)
        height = rng.uniform(1.2, 1.8)
        facing, tilt = azimuth + math.pi, math.atan2(middle - height, radius)
        # Forward, left and up of the world become right, down and forward of a camera that looks along x.
        heading = _turn((math.cos(facing / 2), 0, 0, math.sin(facing / 2)), (0.5, -0.5, 0.5, -0.5))
        cameras.append(
            Camera(
                name=f"ring{i}",
                orientation=_turn(heading, (math.cos(tilt / 2), math.sin(tilt / 2), 0, 0)),
                translation=(
                    float(centre_2[0]) + radius * math.cos(azimuth),
                    float(centre_2[1]) + radius * math.sin(azimuth),
                    height,
                ),
                intrinsic=(focal, focal, 0, 0, 0, 0, 0, 0, 0),
                resolution=RESOLUTION,
            )
        )
    return tuple(cameras)
