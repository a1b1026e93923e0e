"""Commands about the zoo."""

from typing import Annotated

import typer

from ablate.cli.app import Json, Set, print_json


def zoo(as_json: Json = False) -> None:
    """List every host, and every preset on each, with parameters and compute; then policies and recoveries.

    --json has every size, and each size's count on a window of 243 frames as well.

    Example: ablate zoo --json
    """
    from ablate.catalogue import zoo as listing
    from ablate.cli.listing import print_zoo

    found = listing()
    if as_json:
        print_json(found)
    else:
        print_zoo(found)


def profile(
    model: Annotated[str, typer.Argument(help="A model of the zoo.")],
    host: Annotated[str | None, typer.Option(help="The host that a preset stands on; its own by default.")] = None,
    size: Annotated[str, typer.Option(help="tiny, small or base.")] = "base",
    frames: Annotated[int | None, typer.Option(help="Frames of a window; the size's own by default.")] = None,
    hypotheses: Annotated[int, typer.Option(min=1)] = 1,
    steps: Annotated[int, typer.Option(min=1)] = 1,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Flip averaging in every step, or in none.")] = True,
    branch: Annotated[
        str | None, typer.Option(metavar="START:AT_STEP", help="START hypotheses up to AT_STEP, all from there on.")
    ] = None,
    compare: Annotated[str | None, typer.Option(help="Another model, for reductions against it.")] = None,
    set_: Set = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Count a model's compute, parameters and activation memory, without running it.

    --compare counts the other as large, on as many frames and at the same hypotheses, steps, branch and flip. Flip
    averaging in the last step alone is --set evaluate.flip=last; what noise is drawn costs nothing.

    Example: ablate profile htp --size base --frames 243 --compare d3dp
    """
    from ablate.catalogue import Asked
    from ablate.catalogue import profile as count
    from ablate.cli.listing import print_profile

    asked = Asked(
        model=model,
        host=host,
        size=size,
        frames=frames,
        hypotheses=hypotheses,
        steps=steps,
        flip=flip,
        branch=branch,
        settings=set_,
    )
    found = count(asked, compare)
    if as_json:
        print_json(found)
    else:
        print_profile(found)
