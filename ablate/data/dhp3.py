"""MPI-INF-3DHP (Mehta et al., 3DV 2017) in the files of P-STMO (Shan et al., ECCV 2022), which D3DP and others share.

A folder holds ``data_train_3dhp.npz`` and ``data_test_3dhp.npz``, each with a pickled key ``data``, which is never
unpickled (see unpickling). Training: "S1 Seq1" -> [camera '0', '1', '2', '4', ... '8' -> {data_2d: (T, 17, 2) pixels,
data_3d: (T, 17, 3) millimetres before that camera}, frames per second]. Test: "TS1" -> {data_2d, data_3d, valid: (T,)};
frames that aren't valid are lifted and never counted. Joints change from the dataset's order to Human3.6M's.

The same files are made from either of two ground truths, ``annot3`` (people's own size) or ``univ_annot3`` (all of one
size), and don't say which: ``data.annotations`` does. They hold true 2D alone. The test cameras' lenses are those of
the dataset's description; those of training are fitted to the given pairs of 2D and 3D. The rate of the test sequences
is not in the files: 25 Hz, that of most of the training videos, is assumed, and only spans of time depend on it.

Papers train on S1 to S8 and test on TS1 to TS6. Here S8 is held out for validation; ``data.hold_out: false`` trains on
it as well. What somebody does is not in the files, so the action of a recording is its sequence.

Legend: T frames of a view, J joints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.arrays import Array, poses
from ablate.data.benchmark import entry, find
from ablate.data.camera import normalise_screen
from ablate.data.config import DataConfig
from ablate.data.recording import Camera, InTurn, Kept, Source
from ablate.data.skeleton import NAMES
from ablate.data.unpickling import content
from ablate.data.windows import Mask, View
from ablate.errors import DataError

FILES = ("data_train_3dhp.npz", "data_test_3dhp.npz")
KEY = "data"
TRAIN, VALIDATION = tuple(f"S{number}" for number in range(1, 8)), ("S8",)
TEST = tuple(f"TS{number}" for number in range(1, 7))
CAMERAS = ("0", "1", "2", "4", "5", "6", "7", "8")
SQUARE, WIDE = (2048, 2048), (1920, 1080)
OUTDOORS = ("TS5", "TS6")  # the sequences that were filmed with the wide camera
TEST_FPS = 25.0
ORDER = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]  # the dataset's joint at each place of ours
MM = 1000.0
NEAREST_MM = 100.0  # before a camera that is fitted
LEAST_MM = 100.0  # 3D that stays within it isn't in millimetres
LEAST_SPREAD = 1e-6  # of x / z and y / z, in which a camera is fitted


def read(config: DataConfig) -> Source:
    """MPI-INF-3DHP in P-STMO's files: eight cameras, true 2D, six test sequences with valid frames marked.

    Raises DataError where a file is missing; going through the clips raises it where one isn't what it should be.
    """
    files = _Files(*find(config, FILES))
    subjects = {"train": TRAIN if config.hold_out else TRAIN + VALIDATION, "validation": VALIDATION}
    trained = {
        split: InTurn(partial(files.filmed, members), files.training_view) for split, members in subjects.items()
    }
    return Source(
        splits={**trained, "test": InTurn(lambda: TEST, files.test_view)},
        info={
            "annotations": config.annotations,
            "source": f"MPI-INF-3DHP (Mehta et al., 3DV 2017), {config.annotations}, as P-STMO prepares it",
            "licence": "MPI-INF-3DHP's own: for research that earns nothing, not to be passed on",
        },
        kept=Kept(files=(files.train, files.test), settings=("annotations", "hold_out"), version=1),
    )


@dataclass(frozen=True)
class _Files:
    """Both files, each read when something of it is first asked for."""

    train: Path
    test: Path

    @cached_property
    def _training(self) -> Any:
        return content(self.train, KEY)

    @cached_property
    def _testing(self) -> Any:
        return content(self.test, KEY)

    def filmed(self, subjects: Sequence[str]) -> list[tuple[str, int]]:
        """Each sequence of these subjects, with the place of each of its cameras."""
        if not isinstance(self._training, dict):
            raise DataError(f"{self.train}: {KEY} holds {type(self._training).__name__}, expected a dict of sequences")
        found = []
        for subject in subjects:
            names = [name for name in self._training if isinstance(name, str) and name.startswith(f"{subject} ")]
            if not names:
                raise DataError(f"{self.train}: has no sequence of {subject}, as '{subject} Seq1'; get the whole file")
            found += [(name, index) for name in names for index in range(len(CAMERAS))]
        return found

    def training_view(self, filmed: tuple[str, int]) -> View:
        """What one camera saw of a training sequence."""
        sequence, index = filmed
        held, where = self._training[sequence], f"{self.train}: {sequence}"
        if not isinstance(held, list | tuple) or len(held) != 2:
            raise DataError(f"{where}: holds a {type(held).__name__}, expected [cameras, frames per second]")
        by_camera, fps = held
        if not isinstance(fps, int | float) or not 0 < fps < 1000:
            raise DataError(f"{where}: frames per second must be a number in 0..1000; get the file again")
        name = CAMERAS[index]
        where = f"{where}, camera {name}"
        points_TJ3, pixels_TJ2 = _pair(entry(by_camera, name, f"{self.train}: {sequence}"), where)
        subject, _, number = sequence.partition(" ")
        camera = _camera(name, fitted(points_TJ3, pixels_TJ2, where), SQUARE)
        return _view(f"{subject}/{number}", subject, number, camera, index, points_TJ3, pixels_TJ2, float(fps))

    def test_view(self, sequence: str) -> View:
        """A test sequence, which one camera saw."""
        where = f"{self.test}: {sequence}"
        held = entry(self._testing, sequence, str(self.test))
        points_TJ3, pixels_TJ2 = _pair(held, where)
        camera = _camera("test", *lens_of(sequence))
        valid_T = _valid(entry(held, "valid", where), len(points_TJ3), where)
        return _view(sequence, sequence, sequence, camera, 0, points_TJ3, pixels_TJ2, TEST_FPS, valid_T)


def lens_of(sequence: str) -> tuple[tuple[float, float, float, float], tuple[int, int]]:
    """Focal lengths and centre in pixels of the camera that saw a test sequence, and its resolution; from the focal
    length, sensor and centre in millimetres that the dataset tells. Its distortion is taken as none, as D3DP does."""
    resolution = WIDE if sequence in OUTDOORS else SQUARE
    focal_mm, sensor_mm, off_mm = (
        (8.770747185, (10.0, 5.625), (-0.104908645, 0.104899704))
        if sequence in OUTDOORS
        else (7.32506, (10.0, 10.0), (-0.0322884, 0.0929296))
    )
    fx, fy = (focal_mm / size * pixels for size, pixels in zip(sensor_mm, resolution, strict=True))
    cx, cy = (off / size * px + px / 2 for off, size, px in zip(off_mm, sensor_mm, resolution, strict=True))
    return (fx, fy, cx, cy), resolution


def fitted(points_TJ3: Array, pixels_TJ2: Array, where: str) -> tuple[float, float, float, float]:
    """Focal lengths and centre, pixels, of the pinhole that best shows these points, by linear least squares.

    Each pixel coordinate is a straight line of x / z or y / z: its slope is the focal length, and where it begins the
    centre. Raises DataError where the points tell nothing about it.
    """
    points_TJ3, pixels_TJ2 = np.asarray(points_TJ3, np.float64), np.asarray(pixels_TJ2, np.float64)
    if points_TJ3[..., 2].min() < NEAREST_MM:
        raise DataError(f"{where}: somebody stands behind the camera; data_3d must be millimetres before the camera")
    ratio_N2 = (points_TJ3[..., :2] / points_TJ3[..., 2:]).reshape(-1, 2)
    seen_N2 = pixels_TJ2.reshape(-1, 2)
    apart_N2 = ratio_N2 - ratio_N2.mean(axis=0)
    spread_2 = (apart_N2**2).mean(axis=0)
    if spread_2.min() < LEAST_SPREAD**2:
        raise DataError(f"{where}: all joints lie in one line of sight, which tells nothing about the camera")
    focal_2 = (apart_N2 * seen_N2).mean(axis=0) / spread_2
    (fx, fy), (cx, cy) = focal_2.tolist(), (seen_N2.mean(axis=0) - focal_2 * ratio_N2.mean(axis=0)).tolist()
    return fx, fy, cx, cy


def _pair(held: Any, where: str) -> tuple[Array, Array]:
    """The 3D (T, 17, 3) in millimetres and the 2D (T, 17, 2) in pixels of a view, in Human3.6M's order."""
    points_TJ3 = poses(entry(held, "data_3d", where), f"{where}, data_3d", len(NAMES), 3)
    pixels_TJ2 = poses(entry(held, "data_2d", where), f"{where}, data_2d", len(NAMES), 2)
    if len(points_TJ3) != len(pixels_TJ2):
        raise DataError(f"{where}: has {len(points_TJ3)} frames of 3D and {len(pixels_TJ2)} of 2D; get the file again")
    if np.abs(points_TJ3).max() < LEAST_MM:
        raise DataError(f"{where}, data_3d: all of it lies within {LEAST_MM:g}; is the unit millimetres?")
    return points_TJ3[:, ORDER], pixels_TJ2[:, ORDER]


def _valid(held: Any, frames: int, where: str) -> Mask:
    if not isinstance(held, np.ndarray) or held.dtype.kind not in "biuf" or held.size != frames:
        raise DataError(f"{where}, valid: expected {frames} numbers, one for each frame; get the file again")
    valid_T: Mask = held.reshape(frames) > 0
    if not valid_T.any():
        raise DataError(f"{where}, valid: no frame is; get the file again")
    return valid_T


def _camera(name: str, lens: tuple[float, float, float, float], resolution: tuple[int, int]) -> Camera:
    """A camera whose own axes are the world's, without distortion; ``lens`` in pixels."""
    fx, fy, cx, cy = lens
    half = resolution[0] / 2
    centre_x, centre_y = normalise_screen(np.array([cx, cy]), resolution).tolist()
    return Camera(
        name=name,
        orientation=(1, 0, 0, 0),
        translation=(0, 0, 0),
        intrinsic=(fx / half, fy / half, centre_x, centre_y, 0, 0, 0, 0, 0),
        resolution=resolution,
    )


def _view(
    recording: str,
    subject: str,
    action: str,
    camera: Camera,
    index: int,
    points_TJ3: Array,
    pixels_TJ2: Array,
    fps: float,
    valid_T: Mask | None = None,
) -> View:
    metres_TJ3 = np.asarray(points_TJ3, np.float64) / MM
    return View(
        recording=recording,
        subject=subject,
        action=action,
        camera=camera,
        camera_index=index,
        x2d_TJ2=normalise_screen(pixels_TJ2, camera.resolution).astype(np.float32),
        x3d_TJ3=(metres_TJ3 - metres_TJ3[:, :1]).astype(np.float32),
        root_T3=metres_TJ3[:, 0].astype(np.float32),
        fps=fps,
        valid_T=valid_T,
    )
