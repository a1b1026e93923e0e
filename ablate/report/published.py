"""What papers published, in a table of its own below the main one: only what was measured alike may stand there.

The numbers come from the table that `ablate audit` reads too, each row with its source. Of every row that is left out
it is said why: other data, another input, or an oracle that this study has not measured.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from ablate.records import Record
from ablate.report.about import About
from ablate.report.results import distinct
from ablate.report.tables import Column, Table

DATASETS = {"human3.6m": "h36m", "mpi-inf-3dhp": "3dhp"}
INPUTS = {"cpn": "detector", "gt": "gt"}  # h36m's detections here are CPN's; other detectors' are another input
# How papers make one pose of their hypotheses, in this program's names; D3DP's program takes the true root.
AGGREGATIONS = {"single": "mean", "p-agg": "mean", "j-agg": "jpma_true_root", "j-best": "j_best"}
VALUES = {"mpjpe_mm": "MPJPE (mm)", "p_mpjpe_mm": "P-MPJPE (mm)", "pck_150": "PCK at 150 mm (%)", "auc": "AUC (%)"}

NAME, LEFT_OUT = "published", "published_left_out.md"
READING = (
    "As published, nothing here was measured: other programs, most with the reference protocol, other training, often"
    " other subjects held out. first-hand: read in the paper or its program's files; second-hand: quoted elsewhere."
)


@dataclass(frozen=True)
class Published:
    """``table`` is None where no row may stand beside the records; ``left_out`` says of the others why, on data that
    papers publish on; ``said`` is the page's line."""

    table: Table | None
    left_out: tuple[tuple[str, str], ...]
    said: str

    @property
    def lint(self) -> str:
        """The rows that were left out, as Markdown."""
        rows = "\n".join(f"- {row}: {why}" for row, why in self.left_out)
        return f"# Published rows that are left out\n\n{rows}\n"


def text() -> str:
    """The table of published results that comes with the program."""
    return files("ablate").joinpath("audit", "published.csv").read_text(encoding="utf-8")


def published(records: Sequence[Record], about: About, table: str | None = None) -> Published:
    """The published rows that may stand beside these records; ``table`` is one like the program's own, the default."""
    here = _Here.of(records)
    if not set(here.data) & set(DATASETS.values()):
        return Published(None, (), f"Published results: no paper publishes on this data ({', '.join(here.data)}).")
    rows = list(csv.DictReader(io.StringIO(text() if table is None else table)))
    judged = [(row, _why_not(row, here)) for row in rows]
    kept = [row for row, why in judged if not why]
    left_out = tuple((_called(row), why) for row, why in judged if why)
    said = f"Published rows that are left out: {len(left_out)}, [each with the reason](tables/{LEFT_OUT})."
    return Published(_table(kept, about) if kept else None, left_out, said if left_out else "")


@dataclass(frozen=True)
class _Here:
    """What a row is held against: the records' data, ground truths, inputs and oracles."""

    data: tuple[str, ...]
    truths: tuple[str, ...]
    inputs: tuple[str, ...]
    oracles: frozenset[str]

    @classmethod
    def of(cls, records: Sequence[Record]) -> "_Here":
        data, truths = (tuple(map(str, distinct(records, f"config.data.{key}"))) for key in ("name", "annotations"))
        numbers = [m for record in records for m in record.metrics]
        inputs = sorted({m.input for m in numbers if m.split == "test"})
        return cls(
            data, truths, tuple(inputs), frozenset(m.aggregation for m in numbers if m.hypotheses > 1 and m.oracle)
        )


def _why_not(row: Mapping[str, str], here: _Here) -> str:
    """Why a row may not stand beside the records; empty where it may."""
    checks = (_data(row, here), _numbers(row), _input(row, here), _oracle(row, here))
    return next(filter(None, checks), "")


def _data(row: Mapping[str, str], here: _Here) -> str:
    if DATASETS.get(row["dataset"]) not in here.data:
        return f"other data, {row['dataset']} and not {', '.join(here.data)}"
    if row["annotation"] and row["annotation"] not in here.truths:
        return f"another ground truth, {row['annotation']} and not {', '.join(here.truths)}"
    return ""


def _numbers(row: Mapping[str, str]) -> str:
    return "" if any(row[name] for name in VALUES) else "it gives no error"


def _input(row: Mapping[str, str], here: _Here) -> str:
    if INPUTS.get(row["input_2d"]) not in here.inputs:
        return f"another input, {row['input_2d']}; measured here: {', '.join(here.inputs)}"
    return "another input, the true action label" if "action label is an input" in row["source"] else ""


def _oracle(row: Mapping[str, str], here: _Here) -> str:
    aggregation = AGGREGATIONS.get(row["aggregation"])
    if aggregation is None or row["oracle"] == "unstated":
        return "it doesn't say how hypotheses became one pose, so it may be an oracle"
    if row["oracle"] != "no" and aggregation not in here.oracles:
        return f"an oracle, {aggregation}, that was not measured here"
    return ""


def _called(row: Mapping[str, str]) -> str:
    """A row in a line: method, data, input and what was done with hypotheses."""
    shown = [row["dataset"], row["input_2d"], row["aggregation"]]
    shown += [f"{letter} = {row[name]}" for letter, name in (("H", "hypotheses"), ("K", "steps")) if row[name]]
    return f"{row['method']} ({', '.join(shown)})"


def _table(rows: Sequence[Mapping[str, str]], about: About) -> Table:
    heads = {
        f"{row['method']} {i}": {
            "method": row["method"],
            "venue": row["venue"],
            "input": row["input_2d"],
            "frames": row["frames"],
            "H": row["hypotheses"],
            "K": row["steps"],
            "hypotheses become": "one pose" if row["aggregation"] == "single" else row["aggregation"],
            "evidence": row["evidence"],
        }
        for i, row in enumerate(rows, start=1)
    }
    sources = "; ".join(dict.fromkeys(f"{row['method']}: {row['source']}" for row in rows))
    return Table(
        name=NAME,
        caption=f"{about.name}: what papers published on the same data with the same input",
        notes=[READING, f"Sources: {sources}."],
        heads=pd.DataFrame.from_dict(heads, orient="index", dtype=str),
        columns=list(_columns(rows, pd.Index(heads))),
    )


def _columns(rows: Sequence[Mapping[str, str]], index: pd.Index) -> Iterator[Column]:
    """Deployable values before those of oracles, never in one column."""
    for oracle in (False, True):
        for name, title in VALUES.items():
            values = [float(row[name]) if row[name] and (row["oracle"] != "no") == oracle else math.nan for row in rows]
            mean = pd.Series(values, index=index, dtype=float)
            if mean.notna().any():
                mark = " †oracle" if oracle else ""
                yield Column(
                    key=f"{name}_oracle" if oracle else name,
                    title=title.replace(" (", f"{mark} ("),
                    mean=mean,
                    seeds=pd.Series(0.0, index=index),
                    digits=_digits(rows, name),
                )


def _digits(rows: Sequence[Mapping[str, str]], name: str) -> int:
    """As many decimals as the most precise source gives."""
    return max(len(row[name].partition(".")[2]) for row in rows)
