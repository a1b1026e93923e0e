"""The program from Python: the same studies, runs and records as on the command line, with results as pandas frames.

Everything heavy is imported where it is needed, so that ``import ablate`` stays quick.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import InputError
from ablate.loading import Study, check
from ablate.quantities import UNITS
from ablate.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from ablate.records import Metric, Record
    from ablate.runner import Outcome


def study(name: str | Path, settings: Mapping[str, Any] | None = None, *, plugins: Sequence[str | Path] = ()) -> Study:
    """A checked study: a file's path, or the name of a shipped one. ``settings`` override values by dotted path, as
    ``--set`` does: ``{"train.epochs": 20, "seeds": [0]}``. ``plugins`` are files as ``--plugin`` takes them; they stay
    loaded, so after a change to one Python has to be started anew.

    Raises StudyError with every problem found, or InputError.
    """
    from ablate.plugin import load
    from ablate.source import find_study, read

    for plugin in plugins:
        load(plugin)
    return check(read(find_study(str(name))), settings)


def run(
    study: Study | str | Path,
    *,
    workers: int = 1,
    home: str | Path = ".ablate",
    reports: str | Path = "reports",
    storage: str | None = None,
    store: str | None = None,
    quiet: bool = False,
) -> "Outcome":
    """Run what is missing of a study, and write its report; what is finished is not done again.

    Returns the study's ``records``, the ``report``'s path, and ``failures``, a line each. The folders and ``storage``,
    ``store`` are those of the command line. With several ``workers`` a script needs the usual
    ``if __name__ == "__main__":``, since each is a process of its own; a notebook does not. Raises InputError.
    """
    from ablate.runner import run as run_study
    from ablate.terminal import reporter

    if workers < 1:
        raise InputError(f"workers: must be at least 1, got {workers}")
    workspace = Workspace(Path(home), Path(reports), storage, store)
    return run_study(_study(study), workspace, reporter(quiet), workers=workers)


def results(
    study: Study | str, *, wide: bool = False, home: str | Path = ".ablate", storage: str | None = None
) -> "pd.DataFrame":
    """What is recorded, as a frame. A name means every record of that name in ``home``; a Study, as ``ablate.study``
    gives it, only those that belong to it as it stands.

    Long (the default): a row a measured number, as in a report's ``results.csv``. Columns: study, trial (the
    configuration's id), label, group, seed, each swept path; then metric (mpjpe, p_mpjpe, mpjve and others, or a number
    of compute such as inference_gmacs, latency_ms), unit, split (validation, test), input, aggregation (mean and
    others; those that look at the ground truth, as p_best and j_best do, are marked ``oracle``), protocol (exact,
    reference), hypotheses, step, steps, action (empty: all of them), oracle, value, headline (whether the protocol is
    the one that the configuration is judged by). For numbers of compute the columns from split to action are empty.

    ``wide``: a row a configuration and seed. Columns: study, trial, label, group, seed, each swept path; the errors
    over all actions after the last step under the configuration's protocol, ``test_mpjpe_mm``,
    ``validation_mpjve_mm_per_frame`` and so on, oracles by their name, ``test_mpjpe_j_best_mm``; each number of compute
    by its name with its unit; best_epoch, seconds_train (of the training, which several rows may share) and
    seconds_evaluate.

    Raises InputError where nothing is recorded, StorageError where it can't be read.
    """
    from ablate.archive import Archive
    from ablate.design import swept
    from ablate.ledger import open_ledger
    from ablate.report.about import About
    from ablate.report.results import results as long_frame
    from ablate.sections import ReportConfig

    workspace = Workspace(Path(home), storage=storage)
    name = study if isinstance(study, str) else study.name
    ledger = open_ledger(workspace, name)
    if isinstance(study, str):
        records = list(ledger.load(sorted(ledger.names())))
        paths = tuple(dict.fromkeys(path for record in records for path in record.params))
    else:
        records, paths = Archive(study, ledger).records(), swept(study.file)
    if not records:
        raise InputError(f"{name}: nothing is recorded under {home}{_known(workspace)}; `ablate run` it first")
    # By name there may be configurations of the same label: what was recorded before the study's settings changed.
    records.sort(key=attrgetter("group", "label", "trial", "seed"))
    if wide:
        return _wide(records, paths)
    about = About(
        name=name, question="", baseline="", sweep=paths, report=ReportConfig(), command="", planned=len(records)
    )
    return long_frame(records, about)


def _study(given: Study | str | Path) -> Study:
    return given if isinstance(given, Study) else study(given)


def _known(workspace: Workspace) -> str:
    """The studies that have records in files."""
    found = sorted(path.name for path in (workspace.home / "records").glob("*") if path.is_dir())
    return f" (there are {', '.join(found)})" if found else ""


def _wide(records: "Sequence[Record]", paths: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    def row(record: "Record") -> dict[str, Any]:
        who: dict[str, Any] = {name: getattr(record, name) for name in ("study", "trial", "label", "group", "seed")}
        who |= {path: record.params.get(path) for path in paths}
        last = [m for m in record.measured if not m.action and m.step == m.steps]
        who |= {_column(m): m.value for m in last if not m.oracle or m.hypotheses > 1}
        times = {name: record.provenance.get(name) for name in ("seconds_train", "seconds_evaluate")}
        return {**who, **record.compute, "best_epoch": record.best_epoch, **times}

    return pd.DataFrame([row(record) for record in records])


def _column(metric: "Metric") -> str:
    aggregation = "" if metric.aggregation == "mean" else f"_{metric.aggregation}"
    return f"{metric.split}_{metric.metric}{aggregation}{UNITS[metric.unit]}"
