"""What ``ablate zoo`` and ``ablate profile`` print."""

from collections.abc import Mapping, Sequence
from typing import Any

from ablate.catalogue import FRAMES
from ablate.terminal import print_table, print_wrapped


def print_zoo(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """A row for each model on each host, what each model is, and what may stand in its parts' places."""
    entries = found["models"]
    sizes = {e["size"]: e["frames"] for e in entries}
    rows: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for e in entries:
        rows.setdefault((e["model"], e["host"]), {})[e["size"]] = e
    largest = list(sizes)[-1]
    columns = ("model", "params M", *reversed(sizes))
    lines = [
        (
            _on(*key),
            f"{of[largest]['params_m']:.3f}",
            *(f"{of[size]['inference_gmacs']:.{2 if size == largest else 4}f}" for size in reversed(sizes)),
        )
        for key, of in rows.items()
    ]
    frames = ", ".join(f"{size} {sizes[size]}" for size in reversed(sizes))
    caption = (
        f"params M: millions, at size {largest}. The others: GMACs of a window of the size's own frames ({frames}) at"
        f" one hypothesis, one step, no flip; --json has them for {FRAMES} frames at every size."
    )
    print_table("The zoo", columns, lines, caption)
    for model, e in {e["model"]: e for e in entries}.items():
        hosts = f"hosts: {', '.join(e['hosts'])}" if len(e["hosts"]) > 1 else "a host"
        print_wrapped(f"{model}: {e['about']}", f"= {e['changes']}", f"{hosts}; sizes: {', '.join(sizes)}", e["paper"])
    _parts("Policies, in TCEP's place", "policy", found["policies"])
    _parts("Recoveries", "recovery", found["recoveries"])


def _on(model: str, host: str) -> str:
    return model if model == host else f"{model} on {host}"


def _parts(title: str, key: str, entries: Sequence[Mapping[str, Any]]) -> None:
    print()
    print_wrapped(f"{title}; share of a window's MACs of d3dp base, half of the frames kept from pair 1 on:")
    for e in entries:
        share = f"{e['share_percent']:.2g} %" if e["share_percent"] else "no MACs"
        print_wrapped(f"{e[key]} ({share}): {e['about']}")


def print_profile(found: Mapping[str, Any]) -> None:
    """The compute of one model, by stage and kind, and what it comes to."""
    stages: Mapping[str, Mapping[str, float]] = found["stages"]
    kinds = list(next(iter(stages.values())))
    total = found["pass_gmacs"]
    sums = {name: sum(values.values()) for name, values in stages.items()}
    by_kind = [sum(values[kind] for values in stages.values()) for kind in kinds]
    rows = [
        (
            name.replace("_", " "),
            *(f"{values[kind]:.3f}" for kind in kinds),
            f"{sums[name]:.3f}",
            _share(sums[name], total),
        )
        for name, values in stages.items()
    ]
    rows += [
        ("total", *(f"{value:.3f}" for value in by_kind), f"{total:.3f}", _share(total, total)),
        ("share", *(_share(value, total) for value in by_kind), "", ""),
    ]
    name = f"{_on(found['model'], found['host'])}, size {found['size']}, {found['frames']} frames"
    print_table(f"{name}: GMACs of one pass", ("stage", *kinds, "total", "share"), rows)
    other = found.get("compared_with")
    reductions = found.get("reduction_percent", {})
    columns = ("", "value") if other is None else ("", "value", _on(other["model"], other["host"]), "change")
    lines = []
    for what, key, form in _totals(found):
        compared = (
            ()
            if other is None
            else (format(other[key], form), f"{0.0 - reductions[key]:+.1f} %" if key in reductions else "")
        )
        lines.append((what, format(found[key], form), *compared))
    print_table("What it comes to", columns, lines)


def _totals(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(what, its key, how it is written)."""
    branch = found["branch"]
    hypotheses = f"H {found['hypotheses']}" + (f" ({branch['start']} up to step {branch['at_step']})" if branch else "")
    schedule = "" if found["schedule"] in (None, "constant") else f", {found['schedule']}"
    flips = {True: " x 2 (flip)", False: "", "last": ", the last step x 2 (flip)"}[found["flip"]]
    passes = f"{hypotheses} x K {found['steps']}{flips}{schedule}"
    return [
        ("one pass, GMACs", "pass_gmacs", ".2f"),
        ("  by torch's counter", "pass_gmacs_torch", ".2f"),
        ("  by ptflops", "pass_gmacs_ptflops", ".2f"),
        ("once a window, GMACs", "window_gmacs", ".3f"),
        (f"one window, {passes}, GMACs", "inference_gmacs", ".2f"),
        ("one training sample, forward, GMACs", "training_gmacs", ".2f"),
        ("one training sample keeps, MB", "activation_mb", ".1f"),
        ("parameters, M", "params_m", ".3f"),
    ]


def _share(value: float, total: float) -> str:
    return f"{100 * value / total:.1f} %"
