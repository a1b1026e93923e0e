"""Hypotheses that branch on the way: few for the first denoising steps, more for the last ones. No torch here.

Our own idea: the first steps go from noise to one rough pose, which differs little between hypotheses.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from models.pruning.config import Problem


@dataclass(frozen=True, kw_only=True)
class Branch:
    """The first ``at_step`` denoising steps run with ``start`` hypotheses, the others with all.

    Hypothesis h goes on from hypothesis h mod ``start``, with noise of its own from there: what is drawn at the end of
    step ``at_step`` - 1 (steps count from 0) is drawn for each.
    """

    start: int = 1
    at_step: int

    def problems(self, hypotheses: int, steps: int, eta: float) -> Iterator[Problem]:
        """What is wrong with this branch in a run of so many hypotheses and steps, at DDIM's ``eta``."""
        if not 1 <= self.start <= hypotheses:
            text = f"must lie in 1..{hypotheses} (there are {hypotheses} hypotheses at the end), got {self.start}"
            yield ("branch", "start"), text
        if steps < 2:
            yield ("branch", "at_step"), f"there is nothing before a first step to branch from; set steps above {steps}"
        elif not 1 <= self.at_step < steps:
            yield ("branch", "at_step"), f"must lie in 1..{steps - 1} (there are {steps} steps), got {self.at_step}"
        if eta <= 0:
            yield ("eta",), f"without fresh noise all branches of a hypothesis are equal; set it above 0, got {eta:g}"


def running(branch: Branch | None, hypotheses: int, steps: int) -> tuple[int, ...]:
    """How many hypotheses each of ``steps`` steps runs with; without a branch, all."""
    shared = 0 if branch is None else branch.at_step
    return (branch.start if branch else hypotheses,) * shared + (hypotheses,) * (steps - shared)
