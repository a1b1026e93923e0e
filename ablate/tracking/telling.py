"""What MLflow is told in words: names that say what a run is, tags to filter by, descriptions as Markdown.

MLflow's own list of a run's children follows the clock, and start times are facts; so the descriptions hold tables in
the order that people ask for, and link to the runs.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import models
from ablate.records import Record
from ablate.sections import EvaluateConfig, told
from models.pruning.config import MGPTP, SFT, TCEP, Recovery

KIND = "ablate.kind"  # on every run: study, configuration or seed
NOTE = "mlflow.note.content"
ROWS, FEW = 20, 8  # of a table in a description, of a run and of an experiment: MLflow takes no longer ones
PICTURE, REPORT = "front/small.png", "report/report.html"

# How a loaded model lifts where nobody says otherwise; "trained" is the pruning that its weights were made with.
HOW: Mapping[str, Any] = {"pruning": "trained"} | {
    name: getattr(EvaluateConfig(), name)
    for name in ("hypotheses", "steps", "flip", "draws", "eta", "precision", "branch", "low_pass")
}
_PARTS = {"tcep": TCEP, "sft": SFT, "mgptp": MGPTP, "recovery": Recovery}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is shown of a study beside its records: ``error`` and ``compute`` are the numbers that its report puts
    first, as records name them, with their titles; ``swept`` the paths that tell its configurations apart."""

    study: str
    question: str
    error: str
    error_title: str
    compute: str
    compute_title: str
    swept: tuple[str, ...] = ()


class Shown(NamedTuple):
    """A configuration as tables in descriptions show it; NaN for what wasn't measured."""

    name: str
    run: str
    error: float
    spread: float
    compute: float


def title(record: Record) -> str:
    """A configuration as a person would call it: 'htp 27 of 81 frames, 9 clusters'. By component, or where nothing is
    swept, it is its row's name in tables."""
    if any("." not in path for path in record.params):
        return record.label
    order = [*_WORDS]
    paths = sorted(record.params, key=lambda path: (order.index(path) if path in order else len(order), path))
    phrases = [_WORDS.get(path, _plain)(record, path, record.params[path]) for path in paths]
    return f"{record.group} {', '.join(phrases)}".strip()


Word = Callable[[Record, str, Any], str]  # how a swept value is said


def _plain(record: Record, path: str, value: Any) -> str:
    if value is None or isinstance(value, bool):
        said = "on" if value else "off"
    else:
        said = told(value) if isinstance(value, Mapping) else f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{path.rpartition('.')[2]} {said}"


def _itself(record: Record, path: str, value: Any) -> str:
    return str(value)


def _before(word: str) -> Word:
    return lambda record, path, value: f"{word} {value}"


def _after(word: str) -> Word:
    return lambda record, path, value: f"{value} {word}"


def _kept(record: Record, path: str, value: Any) -> str:
    frames = int(record.config["model"]["frames"])
    count = TCEP(keep_ratio=value).count(frames) if path.endswith("ratio") else value
    return f"all {frames} frames" if count == frames else f"{count} of {frames} frames"


def _clusters(record: Record, path: str, value: Any) -> str:
    frames = int(record.config["model"]["frames"])
    return f"{MGPTP(keep_ratio=value).count(frames) if path.endswith('ratio') else value} clusters"


# In the order in which a name says them.
_WORDS: Mapping[str, Word] = {
    "model.name": _itself,
    "model.size": _itself,
    "model.host": _before("on"),
    "model.frames": _before("window"),
    "model.pruning.tcep.policy": _before("by"),
    "model.pruning.tcep.keep_ratio": _kept,
    "model.pruning.tcep.keep_frames": _kept,
    "model.pruning.mgptp.keep_ratio": _clusters,
    "model.pruning.mgptp.clusters": _clusters,
    "model.pruning.recovery.kind": _before("recovered by"),
    "evaluate.hypotheses": _after("hypotheses"),
    "evaluate.steps": _after("steps"),
    "evaluate.low_pass": _before("low-passed to"),
}


def tags(record: Record) -> dict[str, str]:
    """What a configuration or a seed is found by."""
    swept = {path.removeprefix("model."): str(value) for path, value in record.params.items()}
    name = str(record.config["name"])
    return {
        **_pruning_tags(record.config["model"]),
        **swept,
        "model": name,
        "host": str(record.config.get("host") or models.host_of(models.config(name))),
        "group": record.group,
        "label": record.label,
        "configuration": record.trial,
    }


def _pruning_tags(model: Mapping[str, Any]) -> dict[str, str]:
    """Who chooses the kept frames, the share that is kept of a window, and how many clusters are left."""
    pruning, frames = model.get("pruning") or {}, int(model["frames"])
    tcep, mgptp = pruning.get("tcep"), pruning.get("mgptp")
    found = {"policy": "none", "keep_ratio": "1"}
    if tcep is not None:
        count = TCEP(keep_ratio=tcep["keep_ratio"], keep_frames=tcep["keep_frames"]).count(frames)
        found = {"policy": tcep["policy"], "keep_ratio": f"{count / frames:.3g}"}
    if mgptp is not None:
        clusters = MGPTP(keep_ratio=mgptp["keep_ratio"], clusters=mgptp["clusters"]).count(frames)
        found["clusters"] = str(clusters)
    return found


def how(record: Record) -> dict[str, Any]:
    """What a model loaded from this record's weights must be told to lift as its configuration does: as ``HOW``,
    without what that says anyway."""
    given, train, model = record.config["evaluate"], record.config["train"], record.config["model"]
    found = {name: given[name] for name, usual in HOW.items() if given.get(name, usual) != usual}
    pruning = model.get("pruning")
    as_trained = train.get("mode", "each") == "each" and (pruning or {}).get("schedule", "constant") == "constant"
    return found if as_trained or pruning is None else {"pruning": _shortened(pruning), **found}


def _shortened(pruning: Mapping[str, Any]) -> dict[str, Any]:
    """Without parts that are absent, and without what stands at its default."""
    parts = {name: part for name, part in pruning.items() if part is not None}
    return {
        name: {key: value for key, value in part.items() if value != getattr(_PARTS[name](), key)}
        if name in _PARTS
        else part
        for name, part in parts.items()
    }


def configuration_note(subject: Subject, records: Sequence[Record], shown: Shown, model: str) -> str:
    """What a configuration is and gave, and how a pose is lifted with it."""
    first = records[0]
    seeds = ", ".join(str(record.seed) for record in records)
    frames, settings = first.config["model"]["frames"], how(first)
    asked = f", model_config={settings!r}" if settings else ""
    return "\n\n".join(
        [
            f"`{first.label}` of the study {subject.study}, seeds {seeds}.",
            f"{subject.error_title}: **{_error(shown)}**; {subject.compute_title}: **{_number(shown.compute)}**.",
            f"Lift with the weights of seed {first.seed}, windows of {frames} frames of 17 joints:",
            _lifting(model, asked, frames),
        ]
    )


def model_note(name: str, seed: str, frames: int, model: str) -> str:
    """What a logged model is, and how a pose is lifted with it."""
    return "\n\n".join(
        [
            f"Weights of one training ({name}, seed {seed}). The runs that were evaluated from them have this model as"
            " their input; a configuration's description says what to ask it for.",
            _lifting(model, "", frames),
        ]
    )


def _lifting(model: str, asked: str, frames: int) -> str:
    return (
        "```python\nimport mlflow\n\n"
        f'model = mlflow.pyfunc.load_model("models:/{model}"{asked})\n'
        f"poses = model.predict(keypoints)  # (B, {frames}, 17, 2) to (B, {frames}, 17, 3) in metres\n```"
    )


def study_note(
    subject: Subject, shown: Iterable[Shown], experiment: str, links: str, picture: str | None, rows: int
) -> str:
    """The question, the front's ``picture`` (the id of the run that has it), and the first ``rows`` of two tables: the
    front, and the configurations by error."""
    measured = sorted((s for s in shown if not math.isnan(s.error)), key=lambda s: (s.error, s.name))
    parts = [subject.question, links]
    heads = f"| {subject.error_title} | {subject.compute_title} | configuration |\n| ---: | ---: | :--- |"
    tables = {"The front: of what keeps a bound the first row is the best": front(measured)[::-1], "By error": measured}
    for caption, found in tables.items():
        lines = [f"| {_error(s)} | {_number(s.compute)} | {_link(s, experiment)} |" for s in found[:rows]]
        more = f" (the first {rows} of {len(found)})" if len(found) > rows else ""
        parts += [f"**{caption}{more}**", "\n".join([heads, *lines])] if lines else []
    if picture is not None:
        parts.append(f"[The whole report](#/experiments/{experiment}/runs/{picture}/artifacts/{REPORT})")
        parts.append(f"![front](get-artifact?path={quote(PICTURE, safe='')}&run_uuid={picture})")
    return "\n\n".join(parts)


def front(shown: Iterable[Shown]) -> list[Shown]:
    """Those of which no other is as cheap and has a smaller error, or is cheaper and as good; cheapest first."""
    known = sorted((s for s in shown if not math.isnan(s.compute)), key=lambda s: (s.compute, s.error))
    lowest = itertools.accumulate((s.error for s in known), min, initial=math.inf)
    return [s for s, before in zip(known, lowest, strict=False) if s.error < before]


def _link(shown: Shown, experiment: str) -> str:
    name = shown.name.replace("|", "\\|")
    return f"[{name}](#/experiments/{experiment}/runs/{shown.run})"


def _error(shown: Shown) -> str:
    return f"{shown.error:.2f}" + ("" if math.isnan(shown.spread) else f" ± {shown.spread:.2f}")


def _number(value: float) -> str:
    return "not measured" if math.isnan(value) else f"{value:.4g}"
