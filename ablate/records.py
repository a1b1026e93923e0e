"""The canonical record of a (configuration, seed): what ran, what came out, and where it came from.

A record is one JSON file and, beside it, one npz with its arrays. The arrays are written first, the JSON last, each to
a temporary name and then renamed: a record whose JSON exists is complete. MLflow and Optuna show the same content and
can be rebuilt from it.
"""

import dataclasses
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ablate.errors import StorageError

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One measured number with everything needed to read it.

    ``step`` counts denoising steps from 1; ``action`` is empty for the overall value; ``oracle`` marks values that need
    the ground truth to choose among hypotheses.
    """

    metric: str  # mpjpe, p_mpjpe, mpjve
    value: float
    unit: str  # mm, mm/frame
    split: str  # validation, test
    input: str  # gt, detector
    aggregation: str  # mean, p_best, j_best
    oracle: bool
    protocol: str  # exact
    hypotheses: int
    step: int
    steps: int
    action: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """See the module's text. ``params`` holds the swept values by path, ``label`` the row's name in tables,
    ``group`` the sweep or the named variant it belongs to, ``arrays`` what the npz holds:

    ``{split}/mpjpe_mm`` float32 (W,) error of each window at the last step, aggregation ``mean``;
    ``{split}/frames`` int32 (W,) frames that count; ``{split}/recording`` int32 (W,) index into
    ``windows[split]["recordings"]`` (names "subject/action camera"); ``{split}/start`` int32 (W,);
    ``strip/motion`` float32 (F,), ``strip/tcep``, ``strip/mgptp`` int64 kept frames (absent when that stage is off).
    """

    study: str
    trial: str
    seed: int
    group: str
    label: str
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    training_key: str
    metrics: tuple[Metric, ...]
    compute: Mapping[str, float | None]
    curves: Mapping[str, list[float]]
    best_epoch: int
    data: Mapping[str, Any]
    provenance: Mapping[str, Any]
    windows: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> str:
        return f"{self.trial}-s{self.seed}"

    def value(self, metric: str, split: str, aggregation: str = "mean") -> float:
        """The overall value of ``metric`` at the last step; KeyError when it was not measured."""
        for m in self.metrics:
            if (m.metric, m.split, m.aggregation, m.action) == (metric, split, aggregation, "") and m.step == m.steps:
                return m.value
        raise KeyError(f"{metric} ({aggregation}) on {split}")


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to a temporary name beside ``path``, flush it to disk, and rename it into place.

    Raises StorageError when the folder can't be written or the disk is full; nothing half-written stays.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise StorageError(f"{path}: can't be written ({error.strerror}); free it, or name another --home") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def save(folder: Path, record: Record) -> Path:
    """Write ``record`` under ``folder`` and return its JSON's path.

    Raises StorageError, and ValueError for a number that isn't finite: nobody could read it back.
    """
    content = {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name != "arrays"}
    content["metrics"] = [dataclasses.asdict(m) for m in record.metrics]
    text = json.dumps({"format": FORMAT, **content}, indent=1, sort_keys=True, allow_nan=False)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(record.arrays))
    write_atomically(folder / f"{record.name}.npz", buffer.getvalue())
    path = folder / f"{record.name}.json"
    write_atomically(path, text.encode())
    return path


def load(path: Path) -> Record:
    """Read one record. Raises StorageError when it is damaged or of another format."""
    try:
        content = json.loads(path.read_text())
        if content.pop("format") != FORMAT:
            raise StorageError(f"{path}: written by another version of ablate; move it away and run again")
        content["metrics"] = tuple(Metric(**m) for m in content["metrics"])
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            return Record(**content, arrays={name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{path}: can't be read as a record ({error}); move it away and run again") from error


def load_all(folder: Path) -> Iterator[Record]:
    """Every complete record under ``folder``, in the order of its name."""
    for path in sorted(folder.glob("*.json")):
        yield load(path)
