"""BVH: a tree of joints with offsets, then a line of channels a frame.

A joint's channels are applied in the order in which they are listed, each about or along an axis that the ones before
have turned; a position stands in place of the joint's offset. Legend: T frames, X channels, N nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ablate.data.arrays import Array
from ablate.errors import DataError
from ablate.mocap.kinematics import Motion
from ablate.mocap.naming import END

CUT = "is the file cut short or damaged?"
CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "XYZ")
NEAR = 5e-4  # the share by which a frame time in few digits may miss a whole rate


@dataclass(kw_only=True)
class _Node:
    name: str
    parent: int
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    channels: list[str] = field(default_factory=list)


def read_bvh(path: Path) -> Motion:
    """The motion of a BVH file, in its own unit, which it doesn't say. Raises DataError for a file that isn't whole."""
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); name a file that is there") from error
    head, motion, body = text.partition("MOTION")
    if head.split()[:1] != ["HIERARCHY"] or not motion:
        raise DataError(f"{path}: has no HIERARCHY and MOTION; is it a BVH?")
    nodes = _hierarchy(path, head.split())
    fps, values_TX = _motion(path, body, sum(len(node.channels) for node in nodes))
    paths, turns, column = {}, {}, 0
    for i, node in enumerate(nodes):
        own_TX = values_TX[:, column : column + len(node.channels)]
        column += len(node.channels)
        along = [node.channels.index(f"{axis}position") for axis in "XYZ" if f"{axis}position" in node.channels]
        if len(along) == 3:
            paths[i] = own_TX[:, along]
        elif along:
            raise DataError(f"{path}: {node.name} moves along {len(along)} axes, expected none or all three")
        about = [j for j, channel in enumerate(node.channels) if channel.endswith("rotation")]
        if about:
            order = "".join(node.channels[j][0] for j in about)
            turns[i] = Rotation.from_euler(order, own_TX[:, about], degrees=True)
    if 0 not in paths:
        raise DataError(f"{path}: the root {nodes[0].name} has no position channels, so where it goes is not known")
    return Motion(
        names=tuple(node.name for node in nodes),
        parents=tuple(node.parent for node in nodes),
        offset_N3=np.array([node.offset for node in nodes]),
        paths=paths,
        turns=turns,
        fps=fps,
        unit=None,
    )


def _hierarchy(path: Path, words: Sequence[str]) -> list[_Node]:
    """The nodes, parents first; the tip of a branch is named after the node that it ends."""
    nodes: list[_Node] = []
    open_: list[int] = []
    place = 1
    while place < len(words):
        word = words[place]
        if word in ("ROOT", "JOINT", "End"):
            if (word == "ROOT") != (not nodes) or (word != "ROOT" and not open_):
                raise DataError(f"{path}: {' '.join(words[place : place + 2])} stands where it can't; one tree is read")
            end = place + 1
            while end < len(words) and words[end] != "{":
                end += 1
            parent = open_[-1] if open_ else -1
            name = f"{nodes[parent].name}{END}" if word == "End" else " ".join(words[place + 1 : end])
            nodes.append(_Node(name=name, parent=parent))
            open_.append(len(nodes) - 1)
            place = end + 1
        elif word == "OFFSET" and open_:
            nodes[open_[-1]].offset = _triple(path, words[place + 1 : place + 4])
            place += 4
        elif word == "CHANNELS" and open_:
            nodes[open_[-1]].channels, place = _channels(path, nodes[open_[-1]].name, words, place)
        elif word == "}" and open_:
            open_.pop()
            place += 1
        else:
            raise DataError(f"{path}: HIERARCHY: {word!r} is not understood; {CUT}")
    if open_ or not nodes:
        raise DataError(f"{path}: HIERARCHY does not end; {CUT}")
    return nodes


def _channels(path: Path, name: str, words: Sequence[str], place: int) -> tuple[list[str], int]:
    """A node's channels, and where the words after them begin."""
    count = words[place + 1] if place + 1 < len(words) else ""
    if not count.isdigit():
        raise DataError(f"{path}: {name}: CHANNELS {count!r} is no number; {CUT}")
    channels = [word[:1].upper() + word[1:].lower() for word in words[place + 2 : place + 2 + int(count)]]
    if len(channels) < int(count) or set(channels) - set(CHANNELS) or len(set(channels)) < len(channels):
        raise DataError(f"{path}: {name}: channels {' '.join(channels)!r}; expected {count} of {' '.join(CHANNELS)}")
    return channels, place + 2 + int(count)


def _triple(path: Path, words: Sequence[str]) -> tuple[float, float, float]:
    try:
        x, y, z = (float(word) for word in words)
    except ValueError as error:
        raise DataError(f"{path}: OFFSET {' '.join(words)!r}: expected three numbers; {CUT}") from error
    if not np.isfinite((x, y, z)).all():
        raise DataError(f"{path}: OFFSET {' '.join(words)!r} holds NaN or infinity; {CUT}")
    return x, y, z


def _motion(path: Path, body: str, channels: int) -> tuple[float, Array]:
    """Frames a second, and the channels (T, X)."""
    words = body.split()
    try:
        frames = int(words[words.index("Frames:") + 1])
        time = words.index("Time:")
        seconds = float(words[time + 1])
        values_X = np.array(words[time + 2 :], np.float64)
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}: MOTION: {error}; expected Frames:, Frame Time: and numbers; {CUT}") from error
    if not 1e-4 < seconds < 10 or frames < 1:
        raise DataError(f"{path}: MOTION: {frames} frames of {seconds:g} s; expected some of 0.0001 to 10 s")
    if len(values_X) != frames * channels:
        whole = len(values_X) / max(channels, 1)
        raise DataError(f"{path}: MOTION holds {whole:.6g} of {frames} frames of {channels} channels; {CUT}")
    bad = ~np.isfinite(values_X)
    if bad.any():
        raise DataError(f"{path}: frame {bad.argmax() // channels} holds NaN or infinity; fill or cut it")
    rate = 1 / seconds
    whole = max(round(rate), 1)
    return float(whole) if abs(rate - whole) < NEAR * whole else rate, values_X.reshape(frames, channels)
