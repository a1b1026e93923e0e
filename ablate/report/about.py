"""What a report says of its study besides the records: handed in by whoever planned the study."""

from dataclasses import dataclass

from ablate.claims import Claim
from ablate.sections import ReportConfig


@dataclass(frozen=True, kw_only=True)
class About:
    """``baseline`` is the label of the row that reductions and speed ratios refer to. ``sweep`` names the swept values
    by their dotted path, over the sweep and every variant. ``command`` makes this report again; ``planned`` counts
    the records of a finished study. ``acknowledgement`` is what the data's licence asks to say. ``claims`` are judged.
    """

    name: str
    question: str
    baseline: str
    sweep: tuple[str, ...]
    report: ReportConfig
    command: str
    planned: int
    acknowledgement: str | None = None
    notes: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
