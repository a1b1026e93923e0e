"""A real TeX sets every table of a report in a minimal two-column paper, and reads every macro."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.records import Record
from ablate.report import About
from ablate.report.tables import tex
from tests.report import factory, fixed
from tests.report.test_floats import tall
from tests.report.test_published import measured

PDFLATEX = shutil.which("pdflatex")
IN_CI = "ABLATE_CI" in os.environ

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PDFLATEX is None and not IN_CI, reason="no pdflatex on this machine"),
]

OVERFULL_PT = 3.0  # nobody sees less

PAPER = r"""\documentclass[twocolumn]{article}
\usepackage[letterpaper,textwidth=6.875in,textheight=8.875in]{geometry}
\usepackage{booktabs}
\input{tables/macros}
\begin{document}
TEXT
TABLES
\end{document}
"""


def typeset(folder: Path) -> str:
    """The log of a paper of the report in ``folder``: each macro in its text, each table on a page."""
    tables = sorted(path.stem for path in (folder / "tables").glob("*.tex") if path.stem != "macros")
    names = re.findall(r"\\newcommand\{(\\\w+)\}", (folder / "tables/macros.tex").read_text())
    text = "\n\n".join(f"{name}{{}} and ${name}$" for name in names)
    paper = PAPER.replace("TEXT", text).replace("TABLES", "\n".join(rf"\input{{tables/{t}}}\clearpage" for t in tables))
    (folder / "paper.tex").write_text(paper)
    done = subprocess.run(
        [str(PDFLATEX), "-halt-on-error", "-interaction=nonstopmode", "paper.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
    )
    log = (folder / "paper.log").read_text(errors="replace")
    assert done.returncode == 0, "\n".join(line for line in log.splitlines() if line.startswith(("!", "l.")))
    return log


def faults(log: str) -> list[str]:
    """What a reader would see: text beyond the margin, signs that the fonts lack, tables taller than a page."""
    wide = [m[0] for m in re.finditer(r"Overfull \\[hv]box \((\S+)pt too.*", log) if float(m[1]) > OVERFULL_PT]
    return wide + re.findall(r"Missing character.*|Float too large.*|.*undefined.*|.*multiply.defined.*", log)


@pytest.mark.parametrize(
    ("records", "about"),
    [
        (fixed.study(), fixed.about()),
        (factory.study(hypotheses=5, steps=2), factory.about()),
        (measured({"name": "h36m"}, oracles=["j_best"]), factory.about()),
    ],
    ids=["fixed", "hypotheses", "published"],
)
def test_a_paper_of_all_tables_and_macros_compiles(records: Sequence[Record], about: About, tmp_path: Path) -> None:
    fixed.written(records, about, tmp_path)
    assert faults(typeset(tmp_path)) == []
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000


def test_names_that_mean_something_to_tex_compile(tmp_path: Path) -> None:
    odd = r"50% of #1 & $x_2^3$ ~ {a} \b <|> é"
    records = [
        replace(r, label=r.label.replace("uniform", odd), group=r.group.replace("uni", odd)) for r in fixed.study()
    ]
    fixed.written(records, fixed.about("htp cuts params_m by at least 1 % against d3dp", name=odd), tmp_path)
    typeset(tmp_path)


def test_a_table_taller_than_a_page_compiles(tmp_path: Path) -> None:
    fixed.written(fixed.study(), fixed.about(), tmp_path)
    (tmp_path / "tables/tall.tex").write_text(tex(tall()))
    assert faults(typeset(tmp_path)) == []


def test_a_fault_is_seen(tmp_path: Path) -> None:
    """The check above can fail: a table wider than the page, and a sign that no font has."""
    fixed.written(fixed.study(), fixed.about(), tmp_path)
    (tmp_path / "tables/wide.tex").write_text(r"\begin{table*}\rule{9in}{1pt}\end{table*}")
    assert any("Overfull" in fault for fault in faults(typeset(tmp_path)))
    (tmp_path / "tables/wide.tex").write_text(r"\undefinedcommand")
    with pytest.raises(AssertionError, match="Undefined control sequence"):
        typeset(tmp_path)
