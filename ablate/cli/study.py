"""Commands that plan, run and report studies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.attempts import TRIES
from ablate.cli.app import Json, Set, Storage, StoreAt, StudyName, Tries, print_json, within
from ablate.workspace import Workspace

if TYPE_CHECKING:
    from ablate.budget import Trim
    from ablate.loading import Study
    from ablate.outlook import Outlook

Budget = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="2h, 90m, 3600s: leave out seeds, then cells, until the rest likely fits."),
]
Check = Annotated[
    bool, typer.Option("--check", help="Say how the claims stand; exit 1 if one fails, not where one can't be told.")
]


def run(
    ctx: typer.Context,
    study: StudyName,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes on this machine, or jobs of the launcher.")] = 1,
    storage: Storage = None,
    store: StoreAt = None,
    tries: Tries = TRIES,
    launcher: Annotated[
        str | None,
        typer.Option(metavar="slurm|local", help="Let a scheduler run the workers as jobs, through submitit."),
    ] = None,
    launcher_set: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUE", help="What to ask it for: slurm_partition=gpu, timeout_min=240, mem_gb=16."),
    ] = [],  # noqa: B006
    budget: Budget = None,
    set_: Set = [],  # noqa: B006  (typer reads the default, nothing changes it)
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what failed, and the result.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study, or what is missing of it, and write its report.

    Example: ablate run studies/pruning_ratio.yaml --workers 2
    """
    from ablate.loading import load
    from ablate.runner import run as run_study
    from ablate.scheduled import Launcher
    from ablate.terminal import reporter

    loaded = load(study, set_)
    workspace = within(ctx, storage, store)
    jobs = None if launcher is None else Launcher.of(launcher, launcher_set, workspace)
    cut = None if budget is None else _foreseen(loaded, workspace, workers, budget)[1]
    outcome = run_study(loaded, workspace, reporter(quiet), workers=workers, tries=tries, launcher=jobs, trim=cut)
    _tell(workspace, loaded.name, outcome, as_json)
    if outcome.failures:
        raise typer.Exit(1)


def plan(
    ctx: typer.Context,
    study: StudyName,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes on this machine.")] = 1,
    budget: Budget = None,
    storage: Storage = None,
    store: StoreAt = None,
    set_: Set = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Say what a study has yet to do and how long that takes here, after a short probe. Starts nothing.

    Example: ablate plan pruning_ratio --budget 10m
    """
    from dataclasses import asdict

    from ablate.loading import load
    from ablate.terminal import print_outlook

    found, cut = _foreseen(load(study, set_), within(ctx, storage, store), workers, budget)
    left = [*cut.said, *(f"Left out: {label}." for label in cut.labels)]
    if as_json:
        print_json({**asdict(found), "trimmed": left})
        return
    print_outlook(found)
    for line in left:
        typer.echo(line)


def _foreseen(study: "Study", workspace: Workspace, workers: int, budget: str | None) -> tuple["Outlook", "Trim"]:
    """What is open, as far as the budget allows it; kept, to be compared with what it takes."""
    from dataclasses import asdict

    from ablate.archive import Archive
    from ablate.budget import Trim, parse_budget, trim
    from ablate.ledger import open_ledger
    from ablate.outlook import Forecast
    from ablate.predictions import Prediction
    from ablate.store import Store
    from ablate.terminal import reporter

    seconds = None if budget is None else parse_budget(budget)
    archive, store = Archive(study, open_ledger(workspace, study.name)), Store(workspace.weights)
    forecast = Forecast(archive, store, workspace.home, workers, reporter().bar)
    cut = Trim(study, forecast.open) if seconds is None else trim(study, forecast, seconds)
    found = forecast.outlook(cut.open)
    Prediction(workspace, study.name).save(asdict(found))
    return found, cut


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
    from ablate.loading import load

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
        print_json({"study": study, **_pages(outcome.report), "records": rows, "failures": outcome.failures})
        return
    print_summary(study, outcome.records)
    for failure in outcome.failures:
        typer.echo(f"failed: {failure}", err=True)
    home = "" if workspace.home == Path(".ablate") else f" --home {workspace.home}"
    _name(outcome.report)
    typer.echo(f"figures  {outcome.report.parent / 'figures'}\nMLflow   ablate{home} ui")


def _pages(text: Path) -> dict[str, str]:
    """A report as machines are told of it: the page of text, and the one for a browser."""
    return {"report": str(text), "html": str(text.with_suffix(".html"))}


def _name(text: Path) -> None:
    """A report as a person is told of it: the page to open first."""
    typer.echo(f"report   {text.with_suffix('.html')}\nas text  {text}")


def validate(studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Study files.")]) -> None:
    """Report every problem of study files, with file:line:column and the nearest valid name.

    Example: ablate validate studies/*.yaml
    """
    from ablate.errors import InputError, StudyError
    from ablate.loading import load
    from ablate.plan import expand, trials

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
    check: Check = False,
    as_json: Json = False,
) -> None:
    """Write a study's pages, tables and figures again, from its records; with --check also say how its claims stand.

    Example: ablate report pruning_ratio --publish
    """
    from dataclasses import asdict

    from ablate import report as reports
    from ablate.archive import Archive
    from ablate.ledger import open_ledger
    from ablate.loading import load
    from ablate.presentation import Presentation

    workspace = within(ctx, storage)
    workspace.prepare()
    loaded = load(study, set_)
    shown = Presentation(Archive(loaded, open_ledger(workspace, loaded.name)), workspace)
    path = shown.write()
    if publish:
        folder = workspace.reports / "published" / path.parent.name
        reports.publish(path.parent, folder)
        path = folder / path.name
    verdicts = shown.verdicts() if check or as_json else ()
    if as_json:
        print_json({**_pages(path), "claims": [asdict(verdict) for verdict in verdicts]})
    else:
        _name(path)
        if check and not verdicts:
            typer.echo("the study claims nothing")
        for verdict in verdicts:
            typer.echo(f"{verdict.state}: {verdict.text} ({verdict.reason})")
    if check and any(verdict.state == "fails" for verdict in verdicts):
        raise typer.Exit(1)
