"""A picture of a dataset: poses as its first cameras see them, and where cameras and people are, from above.

Legend: T frames of a view, J joints.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ablate.data import camera as optics
from ablate.data.bones import bones, segments
from ablate.data.windows import Splits, View
from ablate.errors import InputError
from ablate.writing import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POSES = 10
ROWS = 2
PATHS = "#009E73"
EDGES = {"xlim": (-0.85, 0.85), "ylim": (-1.05, 0.85)}  # metres from the root
ARROW = 0.8  # metres
LABEL = 0.35  # metres from a camera to its name


def draw(splits: Splits, name: str, path: Path) -> Path:
    """Write a PNG (or what else ``path`` ends in), whole or not at all.

    Raises InputError for an ending that can't be drawn, StorageError where it can't be written.
    """
    from matplotlib.figure import Figure

    views = [v for split in ("test", "validation", "train") for v in getattr(splits, split).views]
    shown = _spread([view for view in views if view.camera_index == 0])
    figure = Figure(figsize=(11, 5), layout="constrained")
    grid = figure.add_gridspec(ROWS, POSES // ROWS + 2)
    for i, view in enumerate(shown):
        _pose(figure.add_subplot(grid[i % ROWS, i // ROWS]), view)
    above = figure.add_subplot(grid[:, POSES // ROWS :])
    clip = shown[0].recording
    _above(above, [view for view in views if view.recording == clip])
    figure.suptitle(f"{name}: left blue, right orange; from above: {clip} and its cameras")
    content = io.BytesIO()
    try:
        figure.savefig(content, format=path.suffix[1:], dpi=130)
    except ValueError as error:
        raise InputError(f"--picture {path}: can't be drawn ({error}); let its name end in .png") from error
    write_atomically(path, content.getvalue())
    return path


def _spread(views: list[View]) -> list[View]:
    """Up to ``POSES`` views, of as many different actions as there are, evenly over them."""
    by_action: dict[str, list[View]] = {}
    for view in views:
        by_action.setdefault(view.action, []).append(view)
    in_turn = [
        group[i] for i in range(max(map(len, by_action.values()))) for group in by_action.values() if i < len(group)
    ]
    places = np.linspace(0, min(len(in_turn), max(POSES, len(by_action))) - 1, min(POSES, len(in_turn)))
    return [in_turn[round(float(place))] for place in places]


def _pose(axes: "Axes", view: View) -> None:
    """The pose in the middle of a view, as its camera sees it."""
    pose_J3 = view.x3d_TJ3[len(view) // 2]
    bones(axes, width=2).set_segments(list(segments(pose_J3[:, :2] * (1, -1))))
    axes.set(aspect="equal", **EDGES)
    axes.set_title(view.recording, fontsize=8)
    axes.axis("off")


def _above(axes: "Axes", views: list[View]) -> None:
    """The ground: the root's way and all cameras of a recording, in metres.

    Where the data know nothing but a camera's own axes (x right, y down, z forward), that camera alone is there.
    """
    alone = views[0].camera.orientation == (1, 0, 0, 0)
    ground = [0, 2] if alone else [0, 1]
    way_T2 = optics.camera_to_world(views[0].root_T3, views[0].camera)[:, ground]
    axes.plot(way_T2[:, 0], way_T2[:, 1], color=PATHS, lw=1.5)
    axes.plot(*way_T2[0], "o", color=PATHS, ms=4)
    middle_2 = (way_T2.min(axis=0) + way_T2.max(axis=0)) / 2
    for view in views[:1] if alone else views:
        place_2, ahead_2 = optics.camera_to_world(np.array([[0, 0, 0], [0, 0, ARROW]]), view.camera)[:, ground]
        axes.annotate("", tuple(ahead_2), tuple(place_2), arrowprops={"arrowstyle": "-|>", "lw": 1.5})
        outward_2 = place_2 - middle_2
        x, y = place_2 + LABEL * outward_2 / max(float(np.linalg.norm(outward_2)), 1e-9)
        axes.text(x, y, view.camera.name, fontsize=8, ha="center", va="center")
        axes.plot(x, y, alpha=0)  # so that the picture is wide enough for it
    axes.margins(0.12)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="x, m", ylabel="z, m" if alone else "y, m")
    axes.grid(color="#e4e4e4", lw=0.5)
    axes.set_axisbelow(True)
