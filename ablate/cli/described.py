"""How what is in a dataset, and what an import did, is printed."""

from collections.abc import Mapping
from typing import Any

from ablate.terminal import print_table, print_wrapped


def print_survey(found: Mapping[str, Any]) -> None:
    """Splits, bones, speed and cameras, then where the data are from."""
    rows = [
        (
            name,
            str(s["clips"]),
            f"{s['minutes']:.1f}",
            str(s["frames"]),
            f"{s['shortest_s']:.1f} to {s['longest_s']:.1f}",
        )
        for name, s in found["splits"].items()
    ]
    rate = ", ".join(f"{fps:g}" for fps in found["fps"])
    print_table(found["name"], ("split", "clips", "minutes", "frames of all views", "seconds"), rows, f"{rate} Hz")
    for name, s in found["splits"].items():
        print_wrapped(f"{name}: {', '.join(s['subjects']) or 'nobody'}")
    print_wrapped(f"actions: {', '.join(f'{name} ({minutes:.1f} min)' for name, minutes in found['actions'].items())}")
    bones = [
        (
            bone.replace("_", " "),
            f"{of['median']:.1f}",
            f"{of['shortest']:.1f} to {of['longest']:.1f}",
            f"{of['varies_percent']:.1f}",
        )
        for bone, of in found["bones_cm"].items()
    ]
    caption = "over all frames; between subjects' medians; 5 % to 95 % within a subject, the widest"
    print_table("Bones", ("bone", "median cm", "subjects cm", "varies by %"), bones, caption)
    speed = found["speed"]
    print_wrapped(
        f"joints move at {speed['median']:.2f} m/s in the median, {speed['p95']:.2f} at 95 %, at most "
        f"{speed['max']:.2f} ({speed['fastest']})"
    )
    camera = found["cameras"]
    print_wrapped(f"cameras: {camera['a_clip']} a clip ({', '.join(camera['names'])}), {camera['placed']}")
    print_wrapped(f"input {found['input']}, digest {found['digest']}")
    for text in ("annotations", "source", "licence", "acknowledge", "picture"):
        if text in found:
            print_wrapped(f"{text}: {found[text]}")


def print_import(found: Mapping[str, Any]) -> None:
    """What was fetched, if so, what the set holds, and what the user should know."""
    if "fetched" in found:
        print(f"{found['fetched']} files fetched, {found['there']} were there")
    if "clips" in found:
        print(f"{found['file']}: {found['clips']} clips, {found['minutes']:.1f} min at {found['fps']:g} Hz")
        print_wrapped(f"units: {'; '.join(found['units'])}")
        for name, subjects in found["subjects"].items():
            print_wrapped(f"{name}: {', '.join(subjects) or 'nobody'}")
        print_wrapped(f"split: {found['split_by']}")
        if not all(found["subjects"].values()):
            print_wrapped(
                "a split is empty: what is left can be evaluated, but a study trains on one and needs all three"
            )
    else:
        print(f"{found['file']}: is made of them already")
    for file, why in found.get("left_out", {}).items():
        print_wrapped(f"left out: {file}: {why}")
    for text in found.get("warnings", []):
        print_wrapped(f"note: {text}")
    for text in ("licence", "acknowledge"):
        if text in found:
            print_wrapped(found[text])
