"""Tables of a fixed set of records, byte for byte: whoever changes what a table says sees it in a diff.

To renew the files after a change that is meant: ``ABLATE_RENEW=1 pytest tests/report/test_golden.py``, then read the
diff. CSV with intervals in it is left out: its last digits are scipy's.
"""

import os
from pathlib import Path

import pytest

from tests.report import fixed

GOLDEN = Path(__file__).parent / "golden"
TABLES = ("main", "differences", "front", "per_action", "slice_tcep_keep_ratio")
FILES = sorted(
    [f"{name}.{suffix}" for name in TABLES for suffix in ("md", "tex")]
    + ["macros.tex", "main.csv", "slice_tcep_keep_ratio.csv"]
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    fixed.written(fixed.study(), fixed.about(), folder)
    if os.environ.get("ABLATE_RENEW"):
        for name in FILES:
            (GOLDEN / name).write_bytes((folder / "tables" / name).read_bytes())
    return folder / "tables"


@pytest.mark.parametrize("name", FILES)
def test_a_table_is_as_it_was(name: str, tables: Path) -> None:
    made = (tables / name).read_text()
    assert made == (GOLDEN / name).read_text(), f"{name} has changed; if that is meant, renew it (see this file's head)"


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == FILES
