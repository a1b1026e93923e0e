"""Commands about files of weights: a published checkpoint brought in, and any lifter's file evaluated."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ablate.cli.app import Json, Set, print_json


class Split(StrEnum):
    """Which subjects are lifted."""

    test = "test"
    validation = "validation"


class Input(StrEnum):
    """What 2D is lifted."""

    gt = "gt"
    detector = "detector"
    coco = "coco"


class Accelerator(StrEnum):
    """What computes."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


def import_checkpoint(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Of torch.save (.bin, .pth, .pt), or safetensors.")],
    model: Annotated[str, typer.Option(help="Whose layout it has: mixste, d3dp, ddhpose, ktpformer or hot.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The safetensors file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace OUT where it is there already.")] = False,
    set_: Set = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Turn a checkpoint of a reference program into a file of this zoo. Nothing in it is run.

    The state dict may lie under model_pos, under model or plain, its keys with or without module. Sizes are read from
    the weights; what they can't tell (heads, the noise's scale, the pair before which HoT prunes) is as published, or
    as --set says.

    Example: ablate import-checkpoint best_epoch.bin --model d3dp --out d3dp.safetensors --set model.heads=8
    """
    from ablate.terminal import print_table
    from ablate.weights.importing import import_checkpoint as bring

    found = bring(file, model, out, settings=set_, force=force)
    if as_json:
        print_json(found)
        return
    sources = {"read": "the weights", "set": "--set", "assumed": "as published"}
    rows = [(name, str(value), text) for source, text in sources.items() for name, value in found[source].items()]
    print_table(f"{file} as {model}", ("setting", "value", "from"), rows, f"state dict: {found['layout']}")
    groups: dict[str, list[str]] = {}
    for entry, reason in found["left_out"].items():
        groups.setdefault(reason, []).append(entry)
    for reason, entries in groups.items():
        typer.echo(f"left out: {', '.join(entries)}: {reason}")
    typer.echo(f"{found['keys_used']} keys used, {found['params_m']:.3f} M parameters: {out}")


def evaluate(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights, as import-checkpoint or a study leaves them.")],
    data: Annotated[
        str, typer.Option(metavar="NAME", help="The dataset: synthetic, cmu, h36m, 3dhp, npz or a plugin's.")
    ],
    split: Annotated[Split, typer.Option(help="Which subjects.")] = Split.test,
    input_: Annotated[
        Input | None, typer.Option("--input", help="True 2D joints, with a detector's noise, or of a COCO detector.")
    ] = None,
    hypotheses: Annotated[int | None, typer.Option(min=1, help="1 by default.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps, 1 by default.")] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="Flip averaging; on by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sampler's noise.")] = 0,
    accelerator: Annotated[Accelerator, typer.Option(help="auto takes a GPU where there is one.")] = Accelerator.auto,
    by_action: Annotated[bool, typer.Option("--by-action", help="Also a row for each action.")] = False,
    set_: Set = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Evaluate a file of weights on a dataset, counted as in a study, with the compute of a window beside it.

    --set takes a study's settings of data, evaluate and model: --set data.path=mocap, --set evaluate.draws=first,
    --set evaluate.flip=last, --set model.pruning.tcep.keep_ratio=0.5. Weights that a study trained are
    .ablate/weights/KEY.safetensors; KEY is the training_key of its records.

    Example: ablate evaluate d3dp.safetensors --data synthetic --hypotheses 5 --steps 5
    """
    from ablate.terminal import reporter
    from ablate.weights.assessing import assess

    options = {
        "data.name": data,
        "data.input": None if input_ is None else input_.value,
        "evaluate.hypotheses": hypotheses,
        "evaluate.steps": steps,
        "evaluate.flip": flip,
    }
    found = assess(
        file,
        options,
        split=split,
        seed=seed,
        accelerator=accelerator,
        home=ctx.obj.home,
        settings=set_,
        bar=reporter(quiet=as_json).bar,
    )
    if as_json:
        print_json(found)
    else:
        _print(found, by_action)


def _print(found: dict[str, Any], by_action: bool) -> None:
    """Errors at the last step by aggregation, oracles in a table of their own, then the mean pose under both protocols,
    and what it all costs and comes from."""
    from ablate.evaluate.scores import CORE
    from ablate.terminal import print_table

    how, last = found["config"]["evaluate"], [m for m in found["metrics"] if m["step"] == m["steps"]]
    own = [m for m in last if m["protocol"] == how["protocol"]]
    values = {(m["action"], m["metric"], m["aggregation"]): f"{m['value']:.2f}" for m in own}
    named = {m["metric"]: f"{m['metric']} {m['unit']}" for m in own}
    name, split = found["config"]["data"]["name"], last[0]["split"]
    title = f"{found['file']} ({found['host']}, {found['config']['model']['frames']} frames) on {name}, {split}"
    flip = {True: "flip", False: "no flip", "last": "flip in the last step"}[how["flip"]]
    sampled = f"{how['hypotheses']} hypotheses, {how['steps']} steps, {flip}, draws {how['draws']}"
    caption = f"{sampled}; input {last[0]['input']}, protocol {how['protocol']}, {found['frames']} frames"
    errors = [metric for metric in named if metric in CORE]
    batch = f"p_best_batch: one hypothesis for {found['provenance']['p_best_batch']} windows of a recording"
    parts = ((False, title, "", caption), (True, "what looks at the truth", " (oracle)", batch))
    for oracle, head, mark, text in parts:
        kinds = dict.fromkeys(m["aggregation"] for m in own if m["oracle"] == oracle)
        rows = [(f"{kind}{mark}", *(values["", error, kind] for error in errors)) for kind in kinds]
        if rows:
            print_table(head, ("aggregation", *(named[error] for error in errors)), rows, text)
    _print_both([m for m in last if m["aggregation"] == "mean" and not m["action"]], how["protocol"])
    if by_action:
        followed = dict.fromkeys(m["metric"] for m in own if m["action"])
        actions = dict.fromkeys(m["action"] for m in own if m["action"])
        rows = [(action, *(values.get((action, error, "mean"), "") for error in followed)) for action in actions]
        print_table("by action, mean over hypotheses", ("action", *(named[error] for error in followed)), rows)
    _print_origin(found)


def _print_both(of_mean: Sequence[Mapping[str, Any]], own: str) -> None:
    """Everything that was measured of the mean pose, counted both ways."""
    from ablate.terminal import print_table

    protocols = sorted({m["protocol"] for m in of_mean}, key=lambda name: name != own)
    values = {(m["metric"], m["protocol"]): f"{m['value']:.2f}" for m in of_mean}
    named = {m["metric"]: f"{m['metric']} {m['unit']}".strip() for m in of_mean}
    rows = [(text, *(values.get((metric, name), "") for name in protocols)) for metric, text in named.items()]
    print_table("mean over hypotheses, by protocol", ("measure", *protocols), rows)


def _print_origin(found: dict[str, Any]) -> None:
    compute, source = found["compute"], found["provenance"]
    typer.echo(
        f"{compute['params_m']:.3f} M parameters, {compute['pass_gmacs']:.4g} GMACs a pass, "
        f"{compute['inference_gmacs']:.4g} GMACs a window (closed form)"
    )
    commit = f"commit {source['commit'][:8]}{' with changes' if source['dirty'] else ''}" if source["commit"] else ""
    origin = [f"seed {found['seed']}", source["dtype"], source["device"], commit or f"ablate {source['ablate']}"]
    typer.echo(f"{', '.join(origin)}, data {found['data']['digest'][:12]}, weights {found['sha256'][:12]}")
    if "acknowledge" in found["data"]:
        typer.echo(found["data"]["acknowledge"])
