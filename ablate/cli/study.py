"""Commands that plan, run and report studies."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ablate.attempts import TRIES
from ablate.cli.app import Json, Set, Storage, StoreAt, StudyName, Tries, print_json, within
from ablate.workspace import Workspace


def run(
    ctx: typer.Context,
    study: StudyName,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes on this machine.")] = 1,
    storage: Storage = None,
    store: StoreAt = None,
    tries: Tries = TRIES,
    set_: Set = [],  # noqa: B006  (typer reads the default, nothing changes it)
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what failed, and the result.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study, or what is missing of it, and write its report.

    Example: ablate run studies/pruning_ratio.yaml --workers 2
    """
    from ablate.runner import run as run_study
    from ablate.study import load
    from ablate.terminal import reporter

    loaded = load(study, set_)
    workspace = within(ctx, storage, store)
    outcome = run_study(loaded, workspace, reporter(quiet), workers=workers, tries=tries)
    _tell(workspace, loaded.name, outcome, as_json)
    if outcome.failures:
        raise typer.Exit(1)


def worker(
    ctx: typer.Context,
    study: StudyName,
    storage: Storage = None,
    store: StoreAt = None,
    tries: Tries = TRIES,
    set_: Set = [],  # noqa: B006
) -> None:
    """Join a running study from another process or machine, and leave it at any time; `ablate run` makes the report.

    Example: ablate worker studies/pruning_ratio.yaml --storage postgresql+psycopg://host/ablate --store s3://lab/ablate
    """
    from ablate.crew import Order, prepare, work
    from ablate.study import load

    workspace = within(ctx, storage, store)
    prepare(workspace)
    work(Order.of(load(study, set_), workspace, tries))


def _tell(workspace: Workspace, study: str, outcome: Any, as_json: bool) -> None:
    """The summary of a run, and where to look next."""
    from ablate.terminal import print_summary

    if as_json:
        rows = [
            {"label": r.label, "seed": r.seed, "trial": r.trial, "test_mpjpe_mm": r.value("mpjpe", "test"), **r.compute}
            for r in outcome.records
        ]
        print_json({"study": study, "report": str(outcome.report), "records": rows, "failures": outcome.failures})
        return
    print_summary(study, outcome.records)
    for failure in outcome.failures:
        typer.echo(f"failed: {failure}", err=True)
    home = "" if workspace.home == Path(".ablate") else f" --home {workspace.home}"
    typer.echo(f"report   {outcome.report}\nfigures  {outcome.report.parent / 'figures'}\nMLflow   ablate{home} ui")


def validate(studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Study files.")]) -> None:
    """Report every problem of study files, with file:line:column and the nearest valid name.

    Example: ablate validate studies/*.yaml
    """
    from ablate.errors import InputError, StudyError
    from ablate.plan import expand, trials
    from ablate.study import load

    problems: list[str] = []
    for name in studies:
        try:
            study = load(name)
            cells = expand(study)
            count = len(trials(study, cells))
            typer.echo(f"{name}: valid, {len(cells)} configurations, {count} trials planned")
        except StudyError as error:
            problems += error.problems
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise StudyError(problems)


def schema() -> None:
    """Print the JSON Schema of study files, for editors that complete and check as one types.

    Example: ablate schema > study.schema.json
    """
    from ablate.schema import StudyFile

    print_json(StudyFile.model_json_schema())


def report(
    ctx: typer.Context,
    study: StudyName,
    storage: Storage = None,
    set_: Set = [],  # noqa: B006
    publish: Annotated[bool, typer.Option("--publish", help="Copy it to reports/published/, to be committed.")] = False,
) -> None:
    """Write a study's tables and figures again, from its records.

    Example: ablate report pruning_ratio --publish
    """
    from ablate import report as reports
    from ablate.archive import Archive
    from ablate.ledger import open_ledger
    from ablate.runner import write_report
    from ablate.study import load

    workspace = within(ctx, storage)
    workspace.prepare()
    loaded = load(study, set_)
    path = write_report(Archive(loaded, open_ledger(workspace, loaded.name)), workspace)
    if publish:
        folder = workspace.reports / "published" / path.parent.name
        reports.publish(path.parent, folder)
        path = folder / path.name
    typer.echo(str(path))
