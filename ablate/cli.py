"""The command line: parse, call one function, print, exit code. Nothing heavy is imported before a command needs it."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ablate.errors import AblateError
from ablate.workspace import Workspace

INTERRUPTED = 130


class Commands(TyperGroup):
    """Turns this program's errors into one message and an exit code."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except AblateError as error:
            typer.echo(f"error: {error}" if "\n" not in str(error) else f"error:\n{error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("interrupted: what is finished is recorded; the same command goes on from there", err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Set = Annotated[list[str], typer.Option("--set", metavar="PATH=VALUE", help="Override a value by its dotted path.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or the name of a shipped one.")]


def _version(value: bool) -> None:
    if value:
        from ablate import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    home: Annotated[
        Path, typer.Option(envvar="ABLATE_HOME", help="Folder of records, weights and MLflow's store.")
    ] = Path(".ablate"),
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """What accuracy does each unit of compute buy in 3D human pose lifting?

    A study file names a question; `ablate run STUDY` trains, evaluates and measures what it asks for, records
    everything in MLflow, and leaves tables and figures in reports/.
    """
    ctx.obj = Workspace(home=home)


@app.command()
def run(
    ctx: typer.Context,
    study: StudyName,
    set_: Set = [],  # noqa: B006  (typer reads the default, nothing changes it)
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what failed, and the result.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study, or what is missing of it, and write its report.

    Example: ablate run studies/pruning_ratio.yaml
    """
    from ablate.runner import run as run_study
    from ablate.study import load
    from ablate.terminal import reporter

    loaded = load(study, set_)
    outcome = run_study(loaded, ctx.obj, reporter(quiet))
    _tell(ctx.obj, loaded.name, outcome, as_json)
    if outcome.failures:
        raise typer.Exit(1)


def _tell(workspace: Workspace, study: str, outcome: Any, as_json: bool) -> None:
    """The summary of a run, and where to look next."""
    from ablate.terminal import print_summary

    if as_json:
        rows = [
            {"label": r.label, "seed": r.seed, "trial": r.trial, "test_mpjpe_mm": r.value("mpjpe", "test"), **r.compute}
            for r in outcome.records
        ]
        _print_json({"study": study, "report": str(outcome.report), "records": rows, "failures": outcome.failures})
        return
    print_summary(study, outcome.records)
    for failure in outcome.failures:
        typer.echo(f"failed: {failure}", err=True)
    home = "" if workspace.home == Path(".ablate") else f" --home {workspace.home}"
    typer.echo(f"report   {outcome.report}\nfigures  {outcome.report.parent / 'figures'}\nMLflow   ablate{home} ui")


@app.command()
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


@app.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors that complete and check as one types.

    Example: ablate schema > study.schema.json
    """
    from ablate.schema import StudyFile

    _print_json(StudyFile.model_json_schema())


@app.command()
def report(
    ctx: typer.Context,
    study: StudyName,
    set_: Set = [],  # noqa: B006
    publish: Annotated[bool, typer.Option("--publish", help="Copy it to reports/published/, to be committed.")] = False,
) -> None:
    """Write a study's tables and figures again, from its records.

    Example: ablate report pruning_ratio --publish
    """
    from ablate import report as reports
    from ablate.archive import Archive
    from ablate.runner import write_report
    from ablate.study import load

    ctx.obj.prepare()
    path = write_report(Archive(load(study, set_), ctx.obj), ctx.obj)
    if publish:
        folder = ctx.obj.reports / "published" / path.parent.name
        reports.publish(path.parent, folder)
        path = folder / path.name
    typer.echo(str(path))


@app.command()
def zoo(as_json: Json = False) -> None:
    """List every model and size: parameters, compute of one pass, what it is, its paper.

    Example: ablate zoo --json
    """
    from ablate.catalogue import zoo as listing
    from ablate.terminal import print_table

    entries = listing()
    if as_json:
        _print_json(entries)
        return
    columns = ("model", "size", "frames", "params M", "GMACs a pass", "what it is")
    rows = [
        (e["model"], e["size"], str(e["frames"]), f"{e['params_m']:.3f}", f"{e['pass_gmacs']:.4g}", e["about"])
        for e in entries
    ]
    print_table("The model zoo", columns, rows)
    for model, paper in {e["model"]: e["paper"] for e in entries}.items():
        typer.echo(f"{model}: {paper}")


@app.command()
def profile(
    model: Annotated[str, typer.Argument(help="A model of the zoo.")],
    size: Annotated[str, typer.Option(help="tiny, small or base.")] = "base",
    frames: Annotated[int | None, typer.Option(help="Frames of a window; the size's own by default.")] = None,
    hypotheses: Annotated[int, typer.Option(min=1)] = 1,
    steps: Annotated[int, typer.Option(min=1)] = 1,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Flip averaging in every step.")] = True,
    compare: Annotated[str | None, typer.Option(help="Another model, for reductions against it.")] = None,
    set_: Set = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Count a model's compute and parameters, without running it.

    Example: ablate profile htp --size base --frames 243 --compare d3dp
    """
    from ablate.catalogue import profile as count
    from ablate.terminal import print_profile

    found = count(model, size, frames, hypotheses, steps, flip, set_)
    other = count(compare, size, frames, hypotheses, steps, flip, ()) if compare else None
    if other is not None:
        found["reduction_percent"] = {
            key: 100 * (1 - found[key] / other[key]) for key in ("inference_gmacs", "training_gmacs", "params_m")
        }
        found["compared_with"] = other
    if as_json:
        _print_json(found)
    else:
        print_profile(found)


@app.command()
def ui(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Open MLflow's own pages on this project's records, on this machine only (127.0.0.1).

    Example: ablate ui --port 5001
    """
    from ablate.tracking import tracking_uri

    ctx.obj.prepare()
    typer.echo(f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it)")
    sys.stdout.flush()
    arguments = ["--backend-store-uri", tracking_uri(ctx.obj), "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "server", *arguments])


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def main() -> None:
    """The console command."""
    # Waiting threads that spin slow small networks down severalfold on a busy machine; torch reads this at import.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()
