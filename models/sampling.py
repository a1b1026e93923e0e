"""What each denoising step of a window looks at, and what of its noise is drawn. No torch here.

Our own ideas: an average over both flips matters for the pose that is used, the last step's; and where the mean of all
hypotheses is what is wanted, noise that is added on the way only has to be averaged out again.
"""

from collections.abc import Iterator
from typing import Literal

from models.branch import Branch, running
from models.pruning.config import Problem

# True averages every step's estimate with that of the mirrored window, ``last`` only that of the last step.
Flip = Literal[True, False, "last"]
# What is drawn: x_T and what DDIM adds after each step; x_T alone; or nothing. The rest of the noise stands at its
# mean, zero: then x_t is what its step's estimate would be on average when it is noised to t.
Draws = Literal["all", "first", "none"]


def flips(flip: Flip, steps: int) -> tuple[bool, ...]:
    """Whether each of ``steps`` steps also looks at the mirrored window."""
    return (flip is True,) * (steps - 1) + (flip is not False,)


def passes(hypotheses: int, steps: int, flip: Flip, branch: Branch | None = None) -> tuple[int, ...]:
    """How many passes through the network each of ``steps`` steps takes for one window."""
    each = zip(running(branch, hypotheses, steps), flips(flip, steps), strict=True)
    return tuple(count * (2 if both else 1) for count, both in each)


def draws_problems(draws: Draws, hypotheses: int, branch: Branch | None) -> Iterator[Problem]:
    """What is wrong with drawing so much noise for so many ``hypotheses``."""
    if draws != "all" and branch is not None:
        yield ("branch",), f"draws {draws} adds no noise on the way, so all branches are equal; leave the branch out"
    elif draws == "none" and hypotheses > 1:
        yield (
            ("hypotheses",),
            f"draws none makes all hypotheses equal; set it to 1, or draws to first, got {hypotheses}",
        )
