"""The canonical record of a (configuration, seed): what ran, what came out, and where it came from.

A record is one JSON file and, beside it, one npz with its arrays. The arrays are written first, the JSON last, each to
a temporary name and then renamed: a record whose JSON exists is complete. A database keeps the same bytes. MLflow and
Optuna show the same content and can be rebuilt from it.
"""

import dataclasses
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic_core import from_json

from ablate.errors import StorageError
from ablate.sections import EvaluateConfig
from ablate.writing import write_atomically

FORMAT = 1


class Metric(NamedTuple):
    """One measured number with everything needed to read it.

    ``step`` counts denoising steps from 1; ``action`` is empty for the overall value; ``oracle`` marks values that need
    the ground truth to choose among hypotheses. A tuple, since a study of ten thousand records holds millions of them.
    """

    metric: str  # a name of ablate.evaluate.UNITS: mpjpe, p_mpjpe, mpjve, ...
    value: float
    unit: str  # mm, mm/frame, mm/frame^2, %, or none
    split: str  # validation, test
    input: str  # gt, detector
    aggregation: str  # a name of ablate.metrics.AGGREGATIONS: mean, p_best, j_best, ...
    oracle: bool
    protocol: str  # exact, reference
    hypotheses: int
    step: int
    steps: int
    action: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """See the module's text. ``params`` holds the swept values by path, ``label`` the row's name in tables,
    ``group`` the sweep or the named variant it belongs to, ``arrays`` what the npz holds:

    ``{split}/mpjpe_mm`` float32 (W,) error of each window at the last step, aggregation ``mean``, protocol ``exact``;
    ``{split}/frames`` int32 (W,) frames that count; ``{split}/recording`` int32 (W,) index into
    ``windows[split]["recordings"]`` (names "subject/action camera"); ``{split}/start`` int32 (W,);
    ``{split}/joint_mm`` float32 (J,) mean error of each joint over the same frames, as ``mpjpe_mm`` is; absent in old
    records, as the ``sample`` is;
    ``strip/motion`` float32 (F,), ``strip/tcep``, ``strip/mgptp`` int64 kept frames (absent when that stage is off), of
    one window of the test split, the same for every record of a study; and of that window, root-relative in camera axes
    and metres, ``sample/truth`` and ``sample/pose`` float32 (F, J, 3) (last step, aggregation ``mean``),
    ``sample/hypotheses`` float32 (H, F, J, 3) the first ten at most, where there are several; and ``sample/input``
    float32 (F, J, 2) normalised screen coordinates.

    ``compute`` holds each number by name, its unit at the end (see ablate.quantities); and ``inference_gmacs_STAGE``,
    the parts of ``inference_gmacs`` by stage (see models.cost).
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

    @property
    def protocol(self) -> str:
        """The protocol that this configuration is judged by; its metrics hold the other's numbers too."""
        return str(self.config["evaluate"].get("protocol", EvaluateConfig.protocol))

    @property
    def measured(self) -> Iterator[Metric]:
        """The metrics under ``protocol``: nothing else is ever compared, searched by or shown as a result."""
        protocol = self.protocol
        return (m for m in self.metrics if m.protocol == protocol)

    def value(self, metric: str, split: str, aggregation: str = "mean") -> float:
        """The overall value of ``metric`` at the last step; KeyError when it was not measured."""
        for m in self.measured:
            if (m.metric, m.split, m.aggregation, m.action) == (metric, split, aggregation, "") and m.step == m.steps:
                return m.value
        raise KeyError(f"{metric} ({aggregation}) on {split}")


def encode(record: Record) -> tuple[bytes, bytes]:
    """A record as it is kept: its JSON, and its arrays as npz. The same record gives the same bytes.

    Raises ValueError for a number that isn't finite (nobody could read it back), and StorageError where the arrays of a
    stored record can't be read.
    """
    content = {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name != "arrays"}
    content["metrics"] = [metric._asdict() for metric in record.metrics]
    text = json.dumps({"format": FORMAT, **content}, indent=1, sort_keys=True, allow_nan=False)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(record.arrays))
    return text.encode(), buffer.getvalue()


def decode(content: bytes | str, arrays: Callable[[], bytes], where: str) -> Record:
    """The record of a JSON; ``arrays`` reads the npz, and is called when the first array is asked for.

    Raises StorageError, which names ``where``, when the record is damaged or of another format; so does the first look
    at damaged arrays.
    """
    try:
        kept = from_json(content)
        if kept.pop("format") != FORMAT:
            raise StorageError(f"{where}: written by another version of ablate; move it away and run again")
        if any(len(metric) != len(Metric._fields) for metric in kept["metrics"]):
            raise ValueError(f"a metric has other fields than {', '.join(Metric._fields)}")
        kept["metrics"] = tuple(Metric._make(_FIELDS(metric)) for metric in kept["metrics"])
        return Record(**kept, arrays=_Arrays(arrays, where))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unreadable(where, error) from error


_FIELDS = itemgetter(*Metric._fields)


# Poses: most of a record's bytes, and seldom looked at.
_LARGE = "sample/"


class _Arrays(Mapping[str, np.ndarray]):
    """The arrays of a stored record, read when the first is asked for: most readers want the numbers alone. The large
    ones are not kept: each look reads one anew."""

    def __init__(self, read: Callable[[], bytes], where: str) -> None:
        self._read = read
        self._where = where

    @cached_property
    def _opened(self) -> dict[str, np.ndarray | None]:
        with self._reading() as file:
            return {name: None if name.startswith(_LARGE) else file[name] for name in file.files}

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        try:
            with np.load(io.BytesIO(self._read()), allow_pickle=False) as file:
                yield file
        except (OSError, ValueError, TypeError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise _unreadable(self._where, error) from error

    def __getitem__(self, name: str) -> np.ndarray:
        if (kept := self._opened[name]) is not None:
            return kept
        with self._reading() as file:
            array: np.ndarray = file[name]
            return array

    def __contains__(self, name: object) -> bool:
        return name in self._opened

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened)

    def __len__(self) -> int:
        return len(self._opened)


def _unreadable(where: str, error: Exception) -> StorageError:
    return StorageError(f"{where}: can't be read as a record ({error}); move it away and run again")


def save(folder: Path, record: Record) -> Path:
    """Write ``record`` under ``folder`` and return its JSON's path. Raises as ``encode``, and StorageError."""
    content, arrays = encode(record)
    write_atomically(folder / f"{record.name}.npz", arrays)
    path = folder / f"{record.name}.json"
    write_atomically(path, content)
    return path


def load(path: Path) -> Record:
    """Read one record. Raises StorageError when it is damaged or of another format."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(str(path), error) from error
    return decode(content, path.with_suffix(".npz").read_bytes, str(path))


def load_all(folder: Path) -> Iterator[Record]:
    """Every complete record under ``folder``, in the order of its name."""
    for path in sorted(folder.glob("*.json")):
        yield load(path)
