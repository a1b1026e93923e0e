"""``report.md``: the question, what came out, and everything needed to judge it."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablate.records import Record
from ablate.report import protocol
from ablate.report.about import About
from ablate.report.names import METRICS, listed
from ablate.report.results import distinct, error_unit, headline, labels, spread
from ablate.report.style import Picture
from ablate.report.tables import DASH, Table, markdown, noise

# A fact with more distinct values than this is shown by its ends.
SHOWN = 4


def page(
    frame: pd.DataFrame,
    records: Sequence[Record],
    about: About,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
) -> str:
    """The whole page as Markdown; tables and figures are linked relative to it."""
    main, *others = tables
    parts = [
        f"# {about.name}",
        about.question,
        _status(records, about),
        *(f"> {note}" for note in about.notes),
        "## How to read this",
        _reading(frame, about),
        "## Protocol",
        _protocol(records, about),
        "## Results",
        markdown(main),
        _files(main),
    ]
    for picture in pictures:
        parts += [f"## {picture.title}", f"![{picture.title}](figures/{picture.name}.png)"]
        parts.append(f"{picture.caption} [PDF](figures/{picture.name}.pdf)")
    parts.append("## More tables")
    for table in others:
        parts += [markdown(table), _files(table)]
    parts += ["Every number behind these tables, in long form: [results.csv](results.csv).", *_provenance(records)]
    parts += ["## Command", f"```\n{about.command}\n```"]
    if about.acknowledgement:
        parts += ["## Acknowledgement", about.acknowledgement]
    return "\n\n".join(parts) + "\n"


def _status(records: Sequence[Record], about: About) -> str:
    state = "finished" if len(records) >= about.planned else "**not finished: everything below is preliminary**"
    return f"Status: {len(records)} of {about.planned} records, {state}."


def _reading(frame: pd.DataFrame, about: About) -> str:
    """Two sentences that keep a reader from the two common errors."""
    what = f"{METRICS[about.report.metric]} ({error_unit(frame, about)})"
    values = spread(headline(frame, about), labels(frame))
    margin = noise(values["std"], values["count"].fillna(0))
    size = f"the seed noise of {margin:.2f} {error_unit(frame, about)}"
    if math.isnan(margin):
        size = "the noise between seeds, which one seed can't show,"
    return (
        "Errors without a mark average the hypotheses, unless another way is named, and can be had in use; columns"
        " marked †oracle look at the ground truth and can't. "
        f"Differences in test {what} that are smaller than {size} say nothing."
    )


def _protocol(records: Sequence[Record], about: About) -> str:
    return (
        f"{protocol.summary(records)} {protocol.PROTOCOLS} Errors are of root-relative poses in camera space; the"
        f" validation split picked epochs, the test split is only reported. Compute is compared with the baseline"
        f" {about.baseline}. Weights: {protocol.weights(records)}."
    )


def _files(table: Table) -> str:
    links = ", ".join(f"[{suffix}](tables/{table.name}.{suffix})" for suffix in ("md", "tex", "csv"))
    return f"This table as {links}."


def _provenance(records: Sequence[Record]) -> list[str]:
    """What the records say of where they come from, a row a fact."""
    names = sorted(set(itertools.chain.from_iterable(record.provenance for record in records)))
    rows = {"commit": protocol.commit(records), "seeds": protocol.seeds(records), "wall time": _seconds(records)}
    rows |= {name: _fact(distinct(records, f"provenance.{name}")) for name in names if name not in ("commit", "dirty")}
    rows |= {"data digest": _fact(distinct(records, "data.digest"))}
    body = pd.Series(rows).map(lambda text: text.replace("|", r"\|")).to_frame("value").to_markdown()
    dirty = [record for record in records if record.provenance.get("dirty")]
    warning = (
        f"**{len(dirty)} of {len(records)} records were made with uncommitted changes: no commit holds their code.**"
    )
    return ["## Provenance", *([warning] if dirty else []), body]


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
