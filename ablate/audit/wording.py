"""What a published figure is, or why it can't be said, in sentences that are made from the counts."""

from collections.abc import Sequence

from ablate.audit.published import Figure
from ablate.audit.readings import Counted, Reading

_TWICE = {"FLOPs": "FLOPs = 2 x MACs", "MACs": "2 x the MACs of a pass: both passes of flip averaging, or FLOPs"}
_FACTORS = {
    1: {"FLOPs": "called FLOPs, but they are MACs: 1 x", "MACs": "MACs: 1 x"},
    2: _TWICE,
    4: {unit: f"{text}, and twice that: both passes of flip averaging" for unit, text in _TWICE.items()},
}


def read_as(reading: Reading) -> str:
    """'2 x linear': linear layers alone; 'all' has the attention products too."""
    kinds = "all" if reading.attention else "linear"
    return f"{reading.factor} x {kinds}{', a frame' if reading.per == 'frame' else ''}"


def gap(figure: Figure, zoo: Counted, found: Sequence[Reading]) -> tuple[str, ...]:
    """What lies between a published figure and the one convention, from the reading that fits and the next one."""
    assert figure.stated is not None
    best, second = found[0], found[1]
    why = [
        f"{best.off_percent:+.2f} % off {read_as(best)}, as this zoo counts it ({best.value:.2f});"
        f" {second.off_percent:+.2f} % off the next reading, {read_as(second)} ({second.value:.2f})",
        _FACTORS[best.factor][figure.stated.unit],
    ]
    if not best.attention:
        products = zoo.gmacs - zoo.linear
        share = 100 * products / zoo.gmacs
        why.append(f"attention and other products are not counted: {products:.2f} GMACs, {share:.1f} % of a pass")
    if best.per == "frame":
        why.append(f"counted for one of the window's {figure.frames} frames")
    stated = figure.stated
    same = (stated.factor, stated.attention, stated.per) == (best.factor, best.attention, best.per)
    why.append(
        "the table of published figures says the same" if same else f"the table says otherwise: {figure.convention!r}"
    )
    return tuple(why)


def no_reading(found: Sequence[Reading]) -> tuple[str, ...]:
    nearest = f"{read_as(found[0])}, {found[0].off_percent:+.2f} %"
    return (f"can't be converted: no reading of this zoo's count is within 1 % (nearest: {nearest})",)


def no_number(figure: Figure, *, own: bool, saved_percent: float | None) -> tuple[str, ...]:
    """Why there is no figure to convert, whether what stands beside it is our ``own`` design, and what that saves."""
    why = ["the table of published figures has none"]
    if figure.convention:
        why = [f"can't be converted: there is no absolute figure, only {figure.convention!r}"]
    if own:
        why.append("this zoo's model is after our own design, for none was released")
    if saved_percent is not None:
        why.append(f"a window of it takes {saved_percent:.1f} % fewer MACs than one of its host, both as counted here")
    return tuple(why)


def as_stated(figure: Figure) -> tuple[float | None, tuple[str, ...]]:
    """GMACs of a model that the zoo hasn't, where the table's words settle all, and else what they leave open."""
    assert figure.compute_g is not None
    stated = figure.stated
    assert stated is not None
    words = f"{figure.convention!r}"
    left = []
    if stated.factor is None:
        left.append(f"whether a MAC is one or two {stated.unit} is open")
    if stated.attention is None:
        left.append("whether attention products are counted is open")
    elif not stated.attention:
        left.append("the attention products, which are not counted, depend on a network that this zoo hasn't")
    if stated.per == "frame":
        left.append(f"a seq2frame lifter takes a whole window of {figure.frames} frames for one pose")
    elif stated.per is None:
        passes = (figure.hypotheses or 1) * (figure.steps or 1)
        which = f": how many of the {passes} passes of H x K, and flip, is open" if passes > 1 else ""
        left.append(f"what is counted, a frame, a pass or a window, is open{which}")
    if left:
        return None, (f"can't be converted from {words}, and this zoo hasn't the model", *left)
    assert stated.factor is not None
    return figure.compute_g / stated.factor, (f"converted by the table's words alone: {words}",)
