"""The program itself: its options, and what its errors become. The commands are in the modules beside this one."""

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import replace
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
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="ABLATE_STORAGE",
        metavar="URL",
        help="PostgreSQL (postgresql+psycopg://...) that workers on several machines share; else the home folder.",
    ),
]
StoreAt = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="ABLATE_STORE",
        metavar="FOLDER-OR-URL",
        help="Where weights and checkpoints lie, also s3://...; else the home folder.",
    ),
]
Tries = Annotated[int, typer.Option(min=1, help="How often work is begun whose worker died or ran out of memory.")]


Plugins = Annotated[
    list[str],
    typer.Option(
        "--plugin", metavar="FILE.py", help="A Python file with models, policies or datasets of your own; it is run."
    ),
]


def with_plugins(command: Callable[..., None]) -> Callable[..., None]:
    """``command``, which may also be given plugins: they are loaded before it begins."""

    @functools.wraps(command)
    def run(*given: Any, plugins: list[str], **options: Any) -> None:
        from ablate.plugin import load

        for path in plugins:
            load(path)
        command(*given, **options)

    own = inspect.signature(command, eval_str=True)
    more = inspect.Parameter("plugins", inspect.Parameter.KEYWORD_ONLY, default=[], annotation=Plugins)
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), more])  # type: ignore[attr-defined]
    return run


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


def print_json(value: Any) -> None:
    """A result for machines, on stdout."""
    typer.echo(json.dumps(value, indent=2))


def within(ctx: typer.Context, storage: str | None = None, store: str | None = None) -> Workspace:
    """The workspace of a command that takes these options."""
    workspace: Workspace = ctx.obj
    return replace(workspace, storage=storage, store=store)
