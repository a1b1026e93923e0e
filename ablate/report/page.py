"""``report.md``: the question, what came out, and everything needed to judge it."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablate.records import Record
from ablate.report import claims, protocol, published
from ablate.report.about import About
from ablate.report.claims import Verdict
from ablate.report.figures.style import Picture
from ablate.report.names import METRICS, listed
from ablate.report.results import distinct, error_unit, headline, labels, spread
from ablate.report.tables import DASH, Table, markdown, noise

# A fact with more distinct values than this is shown by its ends.
SHOWN = 4


def page(
    frame: pd.DataFrame,
    records: Sequence[Record],
    about: About,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    verdicts: Sequence[Verdict] = (),
    below: Sequence[str] = (),
) -> str:
    """The whole page as Markdown; tables and figures are linked relative to it. ``below`` follows the main table."""
    main, *others = tables
    beside = [table for table in others if table.name == published.NAME]
    parts = [
        f"# {about.name}",
        about.question,
        status(records, about),
        *(f"> {note}" for note in about.notes),
        *(["## Claims", claims.markdown(verdicts)] if verdicts else []),
        "## How to read this",
        reading(frame, about),
        "## Protocol",
        judged(records, about),
        "## Results",
        markdown(main),
        _files(main),
        *itertools.chain.from_iterable((markdown(table), _files(table)) for table in beside),
        *below,
    ]
    for picture in pictures:
        parts += [f"## {picture.title}", f"![{picture.title}](figures/{picture.name}.png)"]
        moving = "" if picture.moving is None else f", [in motion](figures/{picture.name}.gif)"
        parts.append(f"{picture.caption} [PDF](figures/{picture.name}.pdf){moving}")
    parts.append("## More tables")
    for table in others[len(beside) :]:
        parts += [markdown(table), _files(table)]
    parts += ["Every number behind these tables, in long form: [results.csv](results.csv).", "## Provenance"]
    parts += [*(f"**{warning}**" for warning in uncommitted(records)), _facts(provenance(records))]
    parts += ["## Command", f"```\n{about.command}\n```"]
    if about.acknowledgement:
        parts += ["## Acknowledgement", about.acknowledgement]
    return "\n\n".join(parts) + "\n"


def status(records: Sequence[Record], about: About) -> str:
    """Whether this is the whole study."""
    state = "finished" if len(records) >= about.planned else "**not finished: everything below is preliminary**"
    return f"Status: {len(records)} of {about.planned} records, {state}."


def reading(frame: pd.DataFrame, about: About) -> str:
    """What keeps a reader from the two common errors: to take an oracle for a result, and chance for an effect."""
    what, unit = METRICS[about.report.metric], error_unit(frame, about)
    values = spread(headline(frame, about), labels(frame))
    margin = noise(values["std"], values["count"].fillna(0))
    surely = (
        f"Which differences in test {what} are more than chance stands in the table of differences, with intervals; in"
        f" other tables bold marks what can't be told from the best. The pooled seed noise is {margin:.2f} {unit}."
        if not math.isnan(margin)
        else f"With one seed no difference in test {what} can be told from chance, however large it looks."
    )
    return (
        "Errors without a mark average the hypotheses, unless another way is named, and can be had in use; columns"
        f" marked †oracle look at the ground truth and can't. {surely}"
    )


def judged(records: Sequence[Record], about: About) -> str:
    """By which rules the numbers were made."""
    return (
        f"{protocol.summary(records)} {protocol.PROTOCOLS} Errors are of root-relative poses in camera space; the"
        f" validation split picked epochs, the test split is only reported. Compute is compared with the baseline"
        f" {about.baseline}. Weights: {protocol.weights(records)}."
    )


def _files(table: Table) -> str:
    links = ", ".join(f"[{suffix}](tables/{table.name}.{suffix})" for suffix in ("md", "tex", "csv"))
    return f"This table as {links}."


def provenance(records: Sequence[Record]) -> dict[str, str]:
    """What the records say of where they come from, by fact."""
    names = sorted(set(itertools.chain.from_iterable(record.provenance for record in records)))
    rows = {"commit": protocol.commit(records), "seeds": protocol.seeds(records), "wall time": _seconds(records)}
    rows |= {name: _fact(distinct(records, f"provenance.{name}")) for name in names if name not in ("commit", "dirty")}
    return rows | {"data digest": _fact(distinct(records, "data.digest"))}


def _facts(rows: dict[str, str]) -> str:
    return pd.Series(rows).map(lambda text: text.replace("|", r"\|")).to_frame("value").to_markdown()


def uncommitted(records: Sequence[Record]) -> tuple[str, ...]:
    """A warning where no commit holds the code of some records."""
    dirty = sum(bool(record.provenance.get("dirty")) for record in records)
    said = f"{dirty} of {len(records)} records were made with uncommitted changes: no commit holds their code."
    return (said,) if dirty else ()


def _seconds(records: Sequence[Record]) -> str:
    """Time spent; a training that several configurations share counts once."""
    trained = {record.training_key: record.provenance.get("seconds_train", 0.0) for record in records}
    evaluated = [record.provenance.get("seconds_evaluate", 0.0) for record in records]
    return f"training {sum(trained.values()):.0f} s ({len(trained)} in all), evaluation {sum(evaluated):.0f} s"


def _fact(values: Sequence[Any]) -> str:
    if len(values) <= SHOWN:
        return listed(values) or protocol.UNKNOWN
    low, *_, high = sorted(values) if all(isinstance(v, int | float) for v in values) else values
    return f"{listed([low])} {DASH} {listed([high])} ({len(values)} values)"
