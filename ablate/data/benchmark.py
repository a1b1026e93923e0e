"""What readers of benchmarks share: where the files lie, and what is asked of a dict in one."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablate.data.config import VARIABLE, DataConfig
from ablate.errors import DataError

SHOWN = 12


def find(config: DataConfig, names: Sequence[str]) -> tuple[Path, ...]:
    """The files ``names`` in the folder that the study names, or the environment. Raises DataError."""
    given, origin = (config.path, "data.path") if config.path else (os.environ.get(VARIABLE), VARIABLE)
    wanted = " and ".join(names)
    if not given:
        text = f"set data.path in the study, or the variable {VARIABLE}, to the folder that holds {wanted}"
        raise DataError(f"{config.name}: not told where its files are; {text}")
    try:
        folder = Path(given).expanduser()
        there = {name: (folder / name).is_file() for name in names}
    except (OSError, RuntimeError) as error:
        raise DataError(f"{given}: can't be looked at ({error}; {origin} names it); name another folder") from error
    if missing := " and no ".join(name for name in names if not there[name]):
        raise DataError(
            f"{folder}: holds no {missing} ({origin} is {given}); {config.name} needs {wanted} in one folder"
        )
    return tuple(folder / name for name in names)


def entry(holder: Any, key: str, where: str) -> Any:
    """``holder[key]``. Raises DataError where ``holder``, which is found at ``where``, is no dict or hasn't it."""
    if not isinstance(holder, dict):
        raise DataError(f"{where}: holds {type(holder).__name__}, expected a dict with {key}; get the file again")
    if key not in holder:
        names = [name for name in holder if isinstance(name, str)]
        listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        raise DataError(f"{where}: has no {key}; there is {listed or 'nothing'}; get the file that has it")
    return holder[key]
