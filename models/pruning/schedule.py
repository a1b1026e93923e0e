"""How many frames each denoising step keeps: the same in all, or more and more, or fewer and fewer. No torch here."""

from dataclasses import replace
from fractions import Fraction

from models.pruning.config import Pruning


def at_steps(pruning: Pruning, frames: int, steps: int) -> tuple[Pruning, ...]:
    """What each of ``steps`` denoising steps prunes, the noisiest first; one step alone keeps the configured counts.

    Over the steps both stages' counts grow by one factor, evenly from 1 - s to 1 + s, or shrink from 1 + s to 1 - s. So
    their mean is the configured count, and a schedule costs what a constant one does, but for rounding, and for
    attention products, which grow with the square of a count. s is a half; or less, where the largest count would
    outgrow the window. As both counts move together, MGPTP never asks for more than TCEP keeps. A stage that keeps all
    frames is off, and stays so.
    """
    pruned = [count for count in pruning.kept(frames) if count < frames]
    if pruning.schedule == "constant" or not pruned:
        return (pruning,) * steps
    share = min(Fraction(1, 2), Fraction(frames - max(pruned), max(pruned)))
    factors = [1 + share * (Fraction(2 * i, steps - 1) - 1) for i in range(steps)] if steps > 1 else [Fraction(1)]
    if pruning.schedule == "fine_to_coarse":
        factors.reverse()
    return tuple(_scaled(pruning, frames, factor) for factor in factors)


def _scaled(pruning: Pruning, frames: int, factor: Fraction) -> Pruning:
    """The same stages at ``factor`` times their counts; halves round up and two frames always stay, as in ``count``."""

    def scaled(count: int) -> int:
        return count if count == frames else max(min(2, frames), int(count * factor + Fraction(1, 2)))

    tcep, mgptp = pruning.tcep, pruning.mgptp
    return replace(
        pruning,
        schedule="constant",
        tcep=None if tcep is None else replace(tcep, keep_ratio=None, keep_frames=scaled(tcep.count(frames))),
        mgptp=None if mgptp is None else replace(mgptp, keep_ratio=None, clusters=scaled(mgptp.count(frames))),
    )
