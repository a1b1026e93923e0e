"""Names beside points of a figure, placed so that they cover neither one another nor what is drawn."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from ablate.report.figures.style import INK, PALE

# Where a name may stand, as directions from its point; the first that is free wins, near ones before far ones.
_DIRECTIONS = ((1, 1), (-1, -1), (1, -1), (-1, 1), (1, 0), (-1, 0), (0, 1), (0, -1))
_DISTANCES = (4.5, 9.0, 16.0, 25.0, 36.0)  # points
GRID, CLEARANCE = 3.0, 3.5  # pixels; a marker's radius is 4
SIZE = 6.5  # points
_ALIGN_X = {1: "left", 0: "center", -1: "right"}
_ALIGN_Y = {1: "bottom", 0: "center", -1: "top"}


class _Place(NamedTuple):
    """Where a name may stand, and the pixels that it would take up."""

    direction: tuple[int, int]
    distance: float
    box: Bbox


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
        best = _best(list(_places(figure, axes.transData.transform(anchor), text)), axes.bbox, obstacles, placed)
        if not best.box.count_overlaps(placed):
            _annotate(axes, anchor, text, best)
            placed.append(best.box)


def _places(figure: Figure, anchor_2: np.ndarray, text: str) -> Iterator[_Place]:
    """Every place of a name beside a point (pixels), near ones first; the text is measured once."""
    measured = figure.text(0, 0, text, fontsize=SIZE)
    extent = measured.get_window_extent()
    measured.remove()
    size_2, pixels = np.array([extent.width, extent.height]), figure.dpi / 72
    for distance in _DISTANCES:
        for direction in _DIRECTIONS:
            sides_2 = np.array(direction)
            low_2 = anchor_2 + pixels * distance * sides_2 - size_2 * (1 - sides_2) / 2
            yield _Place(direction, distance, Bbox([low_2, low_2 + size_2]).padded(CLEARANCE))


def _best(places: Sequence[_Place], frame: Bbox, obstacles: np.ndarray, placed: Sequence[Bbox]) -> _Place:
    scores = []
    for place in places:
        scores.append(_collisions(place.box, frame, obstacles, placed))
        if scores[-1] == 0:
            break
    return places[int(np.argmin(scores))]


def _annotate(axes: Axes, anchor: np.ndarray, text: str, place: _Place) -> None:
    far = place.distance > _DISTANCES[0]
    made = Annotation(
        text,
        xy=(float(anchor[0]), float(anchor[1])),
        xytext=(place.direction[0] * place.distance, place.direction[1] * place.distance),
        textcoords="offset points",
        ha=_ALIGN_X[place.direction[0]],
        va=_ALIGN_Y[place.direction[1]],
        fontsize=SIZE,
        color=INK,
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.5},
        arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": PALE, "shrinkA": 0, "shrinkB": 2} if far else None,
        zorder=5,
    )
    axes.add_artist(made)


def _collisions(box: Bbox, frame: Bbox, obstacles: np.ndarray, placed: Sequence[Bbox]) -> float:
    inside = (obstacles > (box.x0, box.y0)) & (obstacles < (box.x1, box.y1))
    outside = not (frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1)
    return float(inside.all(axis=1).sum() + 20 * box.count_overlaps(placed) + 40 * outside)
