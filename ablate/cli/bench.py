"""Commands that measure this program's own promises."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from ablate.cli.app import Json, print_json


class Bench(StrEnum):
    """What can be measured."""

    engine = "engine"


def bench(
    ctx: typer.Context,
    name: Annotated[Bench, typer.Argument(help="What to measure.")],
    as_json: Json = False,
) -> None:
    """Measure a promise of this program on this machine, and keep the result under reports/bench/.

    Example: ablate bench engine
    """
    from ablate import bench as benches
    from ablate.terminal import print_table

    rows = _measure(name)
    folder = benches.write(name, rows, ctx.obj.reports)
    if as_json:
        print_json(benches.content(name, rows))
    else:
        lines = [row.texts for row in rows]
        print_table(f"bench {name}", ("what", "measured", "promise", ""), lines, f"kept in {folder}")
    if any(row.kept is False for row in rows):
        raise typer.Exit(1)


def _measure(name: Bench) -> Any:
    match name:
        case Bench.engine:
            from ablate.bench.engine import engine

            return engine()
