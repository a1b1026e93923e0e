"""A scatter plot made of characters, for terminals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MARGIN = 0.04  # of the values' range, on either side


class Point(NamedTuple):
    """Where, and by which character; later points hide earlier ones."""

    x: float
    y: float
    mark: str


def scatter(points: Sequence[Point], titles: tuple[str, str], width: int, height: int) -> list[str]:
    """Lines of at most ``width`` characters: the title of y, ``height`` rows of the plane, and an axis with the title
    of x. Numbers stand at the ends of both axes; ``points`` are finite, and at least one."""
    (low_x, high_x), (low_y, high_y) = _ends([p.x for p in points]), _ends([p.y for p in points])
    top, bottom = f"{high_y:.4g}", f"{low_y:.4g}"
    edge = max(len(top), len(bottom))
    columns = max(width - edge - 2, 10)
    plane = np.full((height, columns), " ")
    for point in points:
        column = round((point.x - low_x) / (high_x - low_x) * (columns - 1))
        row = round((high_y - point.y) / (high_y - low_y) * (height - 1))
        plane[row, column] = point.mark
    sides = [top, *[""] * (height - 2), bottom]
    rows = [f"{side:>{edge}} │{''.join(row)}".rstrip() for side, row in zip(sides, plane, strict=True)]
    left, right = f"{low_x:.4g}", f"{high_x:.4g}"
    between = f" {titles[0]} "[: max(columns - len(left) - len(right), 0)].center(columns - len(left) - len(right))
    indent = " " * (edge + 2)
    return [f"{indent}{titles[1]}"[:width], *rows, f"{' ' * edge} └{'─' * columns}", f"{indent}{left}{between}{right}"]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis that shows these values, never the same."""
    low, high = min(values), max(values)
    margin = MARGIN * (high - low) or abs(low) * MARGIN or 1.0
    return low - margin, high + margin
