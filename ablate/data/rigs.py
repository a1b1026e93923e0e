"""Where virtual cameras stand: around whoever moves, much alike or as different as people's own videos.

Legend: T frames of a recording, J joints.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from ablate.data.arrays import Array
from ablate.data.recording import Camera

Quaternion = tuple[float, float, float, float]

FOCAL_PX = 1145.0
RESOLUTION = (1000, 1000)
IN_VIEW = math.hypot(1.0, 2 * FOCAL_PX / RESOLUTION[0])

#: What people's own videos look like: landscape, upright and square pictures; from a telephone's wide lens to a long
#: one (focal lengths in long sides of the picture, 71 to 37 degrees of view); near or far, high or low, hardly level.
RESOLUTIONS = ((1920, 1080), (1080, 1920), (1280, 720), (640, 480), (1000, 1000))
FOCAL_SIDES = (0.7, 1.5)
FILLED = (0.35, 0.95)  # of the picture's height, by somebody who stands
STANDING = 1.75  # metres
NEAREST = 1.8  # metres from the middle of the motion
HEIGHTS = (0.4, 2.4)  # metres
ROLL = math.radians(5)
ASIDE = 0.15  # how far from the picture's middle people are, of half of it


def _turn(first: Quaternion, then: Quaternion) -> Quaternion:
    (a, b, c, d), (e, f, g, h) = first, then
    return (
        a * e - b * f - c * g - d * h,
        a * f + b * e + c * h - d * g,
        a * g - b * h + c * e + d * f,
        a * h + b * g - c * f + d * e,
    )


def _aimed(azimuth: float, tilt: float, roll: float = 0.0) -> Quaternion:
    """The orientation of a camera that looks towards ``azimuth``, ``tilt`` upwards, rolled about its axis (radians)."""
    # Forward, left and up of the world become right, down and forward of a camera that looks along x.
    heading = _turn((math.cos(azimuth / 2), 0, 0, math.sin(azimuth / 2)), (0.5, -0.5, 0.5, -0.5))
    level = _turn(heading, (math.cos(tilt / 2), math.sin(tilt / 2), 0, 0))
    return level if roll == 0 else _turn(level, (math.cos(roll / 2), 0, 0, math.sin(roll / 2)))


def _ground(world_TJ3: Array) -> tuple[Array, float, float]:
    """The middle (x, y) of the ground that a person covers, how far from it he gets, and the middle height; metres."""
    ground_2 = world_TJ3[..., :2].reshape(-1, 2).astype(np.float64)
    centre_2 = (ground_2.min(axis=0) + ground_2.max(axis=0)) / 2
    return centre_2, float(np.linalg.norm(ground_2 - centre_2, axis=-1).max()), float(world_TJ3[:, 0, 2].mean())


def ring(world_TJ3: Array, count: int, rng: np.random.Generator) -> tuple[Camera, ...]:
    """``count`` virtual cameras evenly around a recording (T, 17, 3), much as Human3.6M's four stand in its room.

    The ring's centre is the middle of the ground that the person covers. Its radius is 4 to 5 m, or, where the motion
    travels further, what keeps a circle around all of it inside the picture: so nobody leaves a picture to the side,
    and nobody comes near a camera or behind it. Cameras stand 1.2 to 1.8 m high and look at the person's middle height;
    the first one's direction is drawn, and each is moved a little from its even place. They have no lens distortion, so
    a mirrored picture is the picture of mirrored motion.
    """
    centre_2, reach, middle = _ground(world_TJ3)
    first = rng.uniform(0, 2 * math.pi)
    focal = 2 * FOCAL_PX / RESOLUTION[0]
    cameras = []
    for i in range(count):
        azimuth = first + (i + rng.uniform(-0.2, 0.2)) * 2 * math.pi / count
        radius = max(rng.uniform(4, 5), IN_VIEW * reach)
        height = rng.uniform(1.2, 1.8)
        cameras.append(
            Camera(
                name=f"ring{i}",
                orientation=_aimed(azimuth + math.pi, math.atan2(middle - height, radius)),
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


def varied(world_TJ3: Array, count: int, rng: np.random.Generator) -> tuple[Camera, ...]:
    """``count`` virtual cameras around a recording (T, 17, 3), as different as those of people's own videos.

    Each draws its picture's shape, focal length, height, roll, how much of the picture a person fills and where in it
    he is. It stands so far off that nobody leaves its picture to the side. Like ``ring``'s they have no lens
    distortion.
    """
    centre_2, reach, middle = _ground(world_TJ3)
    first = rng.uniform(0, 2 * math.pi)
    cameras = []
    for i in range(count):
        width, height_px = RESOLUTIONS[rng.integers(len(RESOLUTIONS))]
        focal_px = max(width, height_px) * rng.uniform(*FOCAL_SIDES)
        focal = 2 * focal_px / width
        aside = rng.uniform(-ASIDE, ASIDE)
        wanted = focal_px * STANDING / (height_px * rng.uniform(*FILLED))
        # A circle around all of the motion, seen beside the picture's middle, has to fit between its sides.
        half = math.atan(1 / focal) - math.atan(abs(aside) / focal)
        radius = max(wanted, NEAREST + reach, reach / math.sin(half))
        azimuth = first + (i + rng.uniform(-0.3, 0.3)) * 2 * math.pi / count
        height = rng.uniform(*HEIGHTS)
        looks = azimuth + math.pi + math.atan(aside / focal)
        tilt = math.atan2(middle - height, radius)
        cameras.append(
            Camera(
                name=f"varied{i}",
                orientation=_aimed(looks, tilt, rng.uniform(-ROLL, ROLL)),
                translation=(
                    float(centre_2[0]) + radius * math.cos(azimuth),
                    float(centre_2[1]) + radius * math.sin(azimuth),
                    height,
                ),
                intrinsic=(focal, focal, 0, 0, 0, 0, 0, 0, 0),
                resolution=(width, height_px),
            )
        )
    return tuple(cameras)


#: By ``DataConfig.rig``: (world_TJ3, how many, generator) -> cameras.
RIGS: Mapping[str, Callable[[Array, int, np.random.Generator], tuple[Camera, ...]]] = {"ring": ring, "varied": varied}
