"""What can go wrong, and whose turn it then is.

AblateError                 the work failed (exit code 1)
├── NotFinite               a loss, a weight or a pose became infinite or NaN: this trial has no result
│   └── TrainingDiverged    it happened while training
├── Pruned                  a training was stopped early, as its study asks for: nothing is wrong
└── InputError              the user's input is wrong (exit code 2): what, where, the mend
    ├── StudyError          a study file; carries every problem found
    ├── DataError           a dataset is missing, truncated or not what it says
    └── StorageError        a folder or database can't be read or written
"""

from collections.abc import Sequence


class AblateError(Exception):
    """Base of every error this program raises on purpose; its text is shown as it is, without a traceback."""

    exit_code = 1


class NotFinite(AblateError):
    """A lifter's poses became infinite or NaN, so this trial has no result; others may."""


class TrainingDiverged(NotFinite):
    """A training produced a non-finite loss; says at which epoch and step."""


class Pruned(AblateError):
    """A training was stopped, since nothing evaluated from it could still reach the front; says how that is known."""


class InputError(AblateError):
    """The user's input is wrong; the text says what, where, and the mend."""

    exit_code = 2


class StudyError(InputError):
    """A study file is wrong; ``problems`` holds one line for each problem, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class DataError(InputError):
    """A dataset is missing, truncated, or not what it claims to be."""


class StorageError(InputError):
    """A folder or database can't be read or written."""
