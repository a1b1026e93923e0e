from collections.abc import Iterator

import pytest

from ablate.report.figures import style


@pytest.fixture(autouse=True)
def house() -> Iterator[None]:
    """Figures are drawn in the house style, as a report does."""
    with style.house():
        yield
