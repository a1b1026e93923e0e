"""LaTeX tables that are taller than a page: further floats of the same number, nothing lost, nothing twice."""

import pandas as pd

from ablate.report.tables import PAGE_LINES, Column, Table, _blocks, tex

COUNT = 2 * PAGE_LINES


def tall() -> Table:
    index = [f"row {i}" for i in range(COUNT)]
    heads = pd.DataFrame({"configuration": index}, index=index)
    values = pd.Series(range(COUNT), index=index, dtype=float)
    columns = [Column(key=f"x{i}", title=f"column{i} (GMACs)", mean=values, seeds=values) for i in range(12)]
    return Table(name="tall", caption="All of 100%", notes=["Noted once."], heads=heads, columns=columns)


def test_a_tall_table_goes_on_in_further_floats_of_the_same_number() -> None:
    text = tex(tall())
    floats = text.split(r"\begin{table*}")[1:]
    assert len(floats) > 2
    assert all(part.count("\nrow ") < PAGE_LINES for part in floats)
    for once in (r"\label{tab:tall}", "Noted once.", r"\caption{All of 100\%}"):
        assert text.count(once) == 1
    for again in (r"\caption{All of 100\% (continued)}", r"\addtocounter{table}{-1}"):
        assert text.count(again) == len(floats) - 1
    assert "Noted once." in floats[-1]


def test_every_row_stands_once_in_every_run_of_columns() -> None:
    text, blocks = tex(tall()), _blocks(tall())
    assert len(blocks) > 1
    assert {text.count(f"\nrow {i} & ") for i in range(COUNT)} == {len(blocks)}
