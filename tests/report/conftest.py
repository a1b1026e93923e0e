from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from ablate import report
from ablate.records import Record
from ablate.report import About, comparison, front, results
from ablate.report.tables import Table
from tests.report import factory


def frame_of(records: Sequence[Record], about: About) -> pd.DataFrame:
    return results.results(results.ordered(records, about), about)


def tables_of(records: Sequence[Record], about: About) -> dict[str, Table]:
    kept = results.ordered(records, about)
    frame = results.results(kept, about)
    return {table.name: table for table in comparison.tables(frame, kept, about, front.front(frame, about))}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole report: three seeds, five hypotheses, two steps."""
    folder = tmp_path_factory.mktemp("reports") / "made_up"
    report.write(factory.study(hypotheses=5, steps=2), factory.about(), folder)
    return folder
