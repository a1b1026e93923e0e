"""Real motion: clips of CMU's motion capture database, as one npz in this program's layout (layout.py)."""

import os
from pathlib import Path

from ablate.data.config import VARIABLE, DataConfig
from ablate.data.layout import GET_IT_AGAIN, read_file, split
from ablate.data.recording import Source
from ablate.errors import DataError

FILE = "cmu_h36m17.npz"
#: Held out of the file's own training subjects. S14, two thirds of the rest, stays in training.
VALIDATION = ("S03", "S135")
POINT_TO_IT = (
    f"`ablate data fetch cmu` gets it; or set data.path in the study, or the variable {VARIABLE}, to {FILE} or to the "
    "folder that holds it"
)
SOURCE = "CMU Graphics Lab Motion Capture Database"
LICENCE = (
    "This data is free for use in research projects. You may include this data in commercially-sold products, but you "
    "may not resell this data directly, even in converted form."
)
ACKNOWLEDGEMENT = (
    "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF "
    "EIA-0196217."
)


def read(config: DataConfig, home: Path) -> Source:
    """Clips of CMU's motion capture database: `ablate data fetch cmu` gets them.

    All clips, split by subject. Raises DataError when there is no such file or it isn't what it should be.
    """
    path = _find(config.path, home)
    contents = read_file(path)
    subjects = {
        "train": set(contents.info.train) - set(VALIDATION),
        "validation": set(VALIDATION),
        "test": set(contents.info.test),
    }
    clips = split(path, contents.recordings, subjects)
    for name, members in subjects.items():
        if not clips[name]:
            listed = ", ".join(sorted(members))
            raise DataError(
                f"{path}: no clip for {name} (subjects {listed}); `ablate data fetch cmu`, or {GET_IT_AGAIN}"
            )
    return Source(splits=clips, info={"source": SOURCE, "licence": LICENCE, "acknowledge": ACKNOWLEDGEMENT})


def fetched(home: Path) -> Path:
    """Where `ablate data fetch cmu` leaves the clips."""
    return home / "data" / FILE


def _find(configured: str | None, home: Path) -> Path:
    given = configured or os.environ.get(VARIABLE)
    if not given:
        if fetched(home).is_file():
            return fetched(home)
        raise DataError(f"cmu: not told where {FILE} is, and {fetched(home)} is not there; {POINT_TO_IT}")
    origin = "data.path" if configured else VARIABLE
    try:
        path = Path(given).expanduser()
        path = path / FILE if path.is_dir() else path
        found = path.is_file()
    except (OSError, RuntimeError) as error:
        raise DataError(f"{given}: can't be looked at ({error}; {origin} names it); {POINT_TO_IT}") from error
    if not found:
        raise DataError(f"{path}: no such file ({origin} is {given}); {POINT_TO_IT}")
    return path
