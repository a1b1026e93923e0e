"""Names beside points of a figure, placed so that they cover neither one another nor what is drawn."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from ablate.report.style import INK, PALE

# Where a name may stand, as directions from its point; the first that is free wins, near ones before far ones.
_DIRECTIONS = ((1, 1), (-1, -1), (1, -1), (-1, 1), (1, 0), (-1, 0), (0, 1), (0, -1))
_DISTANCES = (4.5, 9.0, 16.0, 25.0, 36.0)  # points
GRID, CLEARANCE = 3.0, 3.5  # pixels; a marker's radius is 4
_ALIGN_X = {1: "left", 0: "center", -1: "right"}
_ALIGN_Y = {1: "bottom", 0: "center", -1: "top"}


def place(axes: Axes, anchors_P2: np.ndarray, texts: Sequence[str], obstacles_Q2: np.ndarray) -> None:
    """Annotate each anchor (data coordinates) with its text where it covers least of ``obstacles_Q2`` (data
    coordinates). The first names are placed first; one that would have to cover another is left out.
    """
    figure = axes.figure.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    # One obstacle a cell of a fine grid, so that a line drawn from many points weighs no more than one from few.
    obstacles = GRID * np.unique(np.round(axes.transData.transform(obstacles_Q2) / GRID), axis=0)
    placed: list[Bbox] = []
    for anchor, text in zip(anchors_P2, texts, strict=True):
        annotation, box = _best(axes, anchor, text, obstacles, placed)
        if not box.count_overlaps(placed):
            axes.add_artist(annotation)
            placed.append(box)


def _best(
    axes: Axes, anchor: np.ndarray, text: str, obstacles: np.ndarray, placed: Sequence[Bbox]
) -> tuple[Annotation, Bbox]:
    best: tuple[float, Annotation, Bbox] | None = None
    for distance in _DISTANCES:
        for direction in _DIRECTIONS:
            annotation = _annotation(axes, anchor, text, direction, distance)
            box = annotation.get_window_extent().padded(CLEARANCE)
            score = _collisions(box, axes.bbox, obstacles, placed)
            if best is None or score < best[0]:
                best = score, annotation, box
            if score == 0:
                return annotation, box
    assert best is not None
    return best[1:]


def _annotation(axes: Axes, anchor: np.ndarray, text: str, direction: tuple[int, int], distance: float) -> Annotation:
    far = distance > _DISTANCES[0]
    made = Annotation(
        text,
        xy=(float(anchor[0]), float(anchor[1])),
        xytext=(direction[0] * distance, direction[1] * distance),
        textcoords="offset points",
        ha=_ALIGN_X[direction[0]],
        va=_ALIGN_Y[direction[1]],
        fontsize=6.5,
        color=INK,
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.5},
        arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": PALE, "shrinkA": 0, "shrinkB": 2} if far else None,
        zorder=5,
    )
    made.set_figure(axes.figure)
    made.axes = axes
    return made


def _collisions(box: Bbox, frame: Bbox, obstacles: np.ndarray, placed: Sequence[Bbox]) -> float:
    inside = (obstacles > (box.x0, box.y0)) & (obstacles < (box.x1, box.y1))
    outside = not (frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1)
    return float(inside.all(axis=1).sum() + 20 * box.count_overlaps(placed) + 40 * outside)
