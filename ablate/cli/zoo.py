"""Commands about the zoo."""

from typing import Annotated

import typer

from ablate.cli.app import Json, Set, print_json


def zoo(as_json: Json = False) -> None:
    """List every host, and every preset on each: parameters and compute of one pass, what it is, its paper.

    The table is of size base; --json has the other sizes too.

    Example: ablate zoo --json
    """
    from ablate.catalogue import zoo as listing
    from ablate.terminal import print_table

    entries = listing()
    if as_json:
        print_json(entries)
        return
    columns = ("model", "host", "params M", "GMACs a pass")
    base = [e for e in entries if e["size"] == "base"]
    rows = [(e["model"], e["host"], f"{e['params_m']:.3f}", f"{e['pass_gmacs']:.2f}") for e in base]
    frames = {e["size"]: e["frames"] for e in entries}
    title = f"The model zoo at size base, windows of {frames.pop('base')} frames"
    print_table(f"{title} ({', '.join(f'{size}: {count}' for size, count in frames.items())})", columns, rows)
    for model, e in {e["model"]: e for e in base}.items():
        typer.echo(f"{model}: {e['about']}\n  = {e['changes']}\n  {e['paper']}")


def profile(
    model: Annotated[str, typer.Argument(help="A model of the zoo.")],
    host: Annotated[str | None, typer.Option(help="The host that a preset stands on; its own by default.")] = None,
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

    found = count(model, size, frames, hypotheses, steps, flip, set_, host)
    other = count(compare, size, frames, hypotheses, steps, flip, ()) if compare else None
    if other is not None:
        found["reduction_percent"] = {
            key: 100 * (1 - found[key] / other[key]) for key in ("inference_gmacs", "training_gmacs", "params_m")
        }
        found["compared_with"] = other
    if as_json:
        print_json(found)
    else:
        print_profile(found)
