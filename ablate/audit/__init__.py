"""Published compute in one convention, beside what this zoo counts for the same models.

The convention: MACs of one window in one pass (one hypothesis, one step, no flip), attention products counted. Where
the zoo has the model, its closed form tells how the published figure was counted, whatever the table says; where it
has not, the table's words must do, and what they leave open is said instead of guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import models
from ablate.audit import wording
from ablate.audit.published import Figure, read, table
from ablate.audit.readings import COUNTERPARTS, TOLERANCE, Counted, Counterpart, Reading, count, readings

__all__ = ["Row", "audit"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A published figure and its conversion.

    ``zoo``: the same model as the zoo counts it. ``readings``: all ways to read that count, the nearest first; none
    where there is nothing to compare. ``reading``: the nearest, if it is within 1 %. ``gmacs``: the figure in the one
    convention, ``None`` where it can't be converted. ``why``: what the gap consists of or what is missing, each a
    sentence.
    """

    published: Figure
    zoo: Counted | None
    readings: tuple[Reading, ...]
    reading: Reading | None
    gmacs: float | None
    why: tuple[str, ...]


def audit(text: str | None = None) -> list[Row]:
    """A row for each published figure of compute, then what the zoo has and no figure was published for.

    ``text`` is a table like the one that comes with the program, which is the default. Raises DataError for a number
    whose convention isn't known.
    """
    figures = read(table() if text is None else text)
    numbered = [_row(figure, _counterpart(figure)) for figure in figures if figure.convention]
    silent = [figure for figure in figures if not figure.convention and _counterpart(figure) is not None]
    rows = [*numbered, *(_row(figure, _counterpart(figure)) for figure in silent)]
    return [*rows, *_rest({row.zoo.model for row in rows if row.zoo is not None})]


def _counterpart(figure: Figure) -> Counterpart | None:
    return COUNTERPARTS.get(figure.method)


def _row(figure: Figure, counterpart: Counterpart | None) -> Row:
    zoo = None
    if counterpart is not None:
        zoo = count(counterpart, figure.frames, figure.hypotheses or 1, figure.steps or 1)
    if figure.compute_g is None:
        own = counterpart is not None and counterpart.own
        why = wording.no_number(figure, own=own, saved_percent=None if zoo is None else _saved_percent(zoo, figure))
        return Row(published=figure, zoo=zoo, readings=(), reading=None, gmacs=None, why=why)
    if zoo is None:
        gmacs, why = wording.as_stated(figure)
        return Row(published=figure, zoo=None, readings=(), reading=None, gmacs=gmacs, why=why)
    found = tuple(readings(figure, zoo))
    if abs(found[0].off_percent) > 100 * TOLERANCE:
        return Row(published=figure, zoo=zoo, readings=found, reading=None, gmacs=None, why=wording.no_reading(found))
    gmacs = figure.compute_g * zoo.gmacs / found[0].value
    why = wording.gap(figure, zoo, found)
    return Row(published=figure, zoo=zoo, readings=found, reading=found[0], gmacs=gmacs, why=why)


def _saved_percent(zoo: Counted, figure: Figure) -> float | None:
    """How many fewer MACs a window takes than one of the plain host; None for a host itself."""
    if zoo.model == zoo.host:
        return None
    host = count(Counterpart(model=zoo.host), figure.frames, zoo.hypotheses, zoo.steps)
    return 100 * (1 - zoo.window_gmacs / host.window_gmacs)


def _rest(shown: set[str]) -> Iterator[Row]:
    """The hosts that the table doesn't know, on its usual window."""
    for name in models.hosts():
        if name not in shown:
            figure = Figure(
                method=name,
                venue="",
                frames=models.SIZES["base"]["frames"],
                hypotheses=None,
                steps=None,
                compute_g=None,
                convention="",
                stated=None,
                params_m=None,
                source="",
            )
            yield _row(figure, Counterpart(model=name))
