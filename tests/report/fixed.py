"""A small set of records whose numbers are written down: whoever makes tables of them must get the same bytes.

Four configurations, three seeds, three subjects with two recordings each. Every number is a whole multiple of 1/64, so
that sums are exact on any machine.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ablate import report
from ablate.claims import parse_claim
from ablate.records import Metric, Record
from ablate.report import About, claims, comparison, front, page, results, tables
from ablate.statistics.samples import samples
from tests.report import factory

RECORDINGS = tuple(f"S{subject}/{action}" for subject in (1, 2, 3) for action in ("sitting", "walking 1"))
SEED_MM = (0.0, 0.5, -0.25)

# group, keep ratio, clusters' ratio; error above the dense rows in mm; GMACs of a window, and of training
CELLS = (
    ("d3dp", 1.0, 1.0, 0.0, 64.0, 32.0),
    ("htp", 0.5, 0.25, 0.125, 32.0, 16.0),
    ("htp", 0.25, 0.25, 2.0, 24.0, 16.0),
    ("uniform", 0.5, 0.25, 1.0, 32.0, 16.0),
)

CLAIMS = (
    "htp cuts inference_gmacs by at least 50 % against d3dp",
    "some htp cuts inference_gmacs by at least 50 % against d3dp at no more than 1 mm",
    "htp is no worse than d3dp by more than 0.2 mm",
    "htp[tcep.keep_ratio=0.5] is within 0.5 mm of d3dp",
    "htp[tcep.keep_ratio=0.5] is better than uniform",
    "the front of htp beats that of uniform",
)


def errors_mm(cell: int, seed: int) -> np.ndarray:
    """Of each recording, (R,): a level, what subject and seed add, and a little that is only this cell's."""
    own = np.array([(7 * cell + 5 * seed + 3 * r + cell * r) % 8 - 3.5 for r in range(len(RECORDINGS))]) / 16
    subject = np.repeat([-1.0, 0.0, 2.0], 2)
    return np.asarray(50.0 + CELLS[cell][3] + SEED_MM[seed] + subject + (own if cell else 0))


def record(cell: int, seed: int) -> Record:
    group, keep, clusters, _, inference, training = CELLS[cell]
    per_R = errors_mm(cell, seed)
    actions = {"": per_R.mean(), "sitting": per_R[::2].mean(), "walking": per_R[1::2].mean()}
    metrics = [
        Metric(name, value * scale, unit, split, "detector", "mean", False, "exact", 1, 1, 1, action)
        for split in ("validation", "test")
        for name, scale, unit in (("mpjpe", 1.0, "mm"), ("p_mpjpe", 0.75, "mm"), ("mpjve", 0.125, "mm/frame"))
        for action, value in actions.items()
    ]
    count = len(RECORDINGS)
    arrays = {
        f"{split}/{name}": values
        for split in ("validation", "test")
        for name, values in {
            "mpjpe_mm": per_R.astype(np.float32),
            "frames": np.full(count, 81, np.int32),
            "recording": np.arange(count, dtype=np.int32),
            "start": np.zeros(count, np.int32),
        }.items()
    }
    made = factory.record(group, keep, clusters, seed)
    return replace(
        made,
        metrics=tuple(metrics),
        compute={
            "inference_gmacs": inference,
            "training_gmacs": training,
            "params_m": 1.25,
            "latency_ms": inference / 2 + seed,
            "fps": 1000.0 / (inference / 2 + seed),
            "peak_memory_mb": 128.0,
        },
        arrays={**made.arrays, **arrays},
        windows={split: {"recordings": [f"{name} c0" for name in RECORDINGS]} for split in ("validation", "test")},
    )


def study(seeds: tuple[int, ...] = (0, 1, 2)) -> list[Record]:
    return [record(cell, seed) for cell in range(len(CELLS)) for seed in seeds]


def about(*claims: str, **changes: object) -> About:
    return factory.about(**({"planned": 12, "claims": tuple(map(parse_claim, claims or CLAIMS))} | changes))


def written(records: Sequence[Record], about: About, folder: Path) -> str:
    """The page of a report without its figures; its tables are written to ``folder``."""
    kept = results.ordered(records, about)
    frame, known = results.results(kept, about), samples(kept)
    made = comparison.tables(frame, kept, about, front.front(frame, about), known)
    for table in made:
        tables.save(table, folder / "tables")
    below = report._below(kept, about, made, folder / "tables")
    return page.page(frame, kept, about, made, [], claims.verdicts(frame, kept, about, known), below)
