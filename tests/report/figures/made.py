"""Made-up records that hold all that figures are drawn from, and the material of them."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ablate.records import Record
from ablate.report import About, front, results
from ablate.report.figures.material import Material
from ablate.statistics.samples import samples
from tests.report import factory, posing

STAGES = ("tcep", "sft", "mgptp")
SUBJECTS, TAKES = ("S1", "S5", "S7", "S9"), 2
RECORDINGS = [f"{who}/{what} {take + 1} ring0" for who in SUBJECTS for what in factory.ACTIONS for take in range(TAKES)]
SHARES = {"embedding": 0.01, "dense_pairs": 0.4, "tcep_pairs": 0.3, "mgptp_pairs": 0.2, "selection": 0.05, "head": 0.04}


def full(record: Record, *, hypotheses: int = 1, stages: Sequence[str] = ("tcep", "sft", "mgptp")) -> Record:
    """``record`` with errors by window and joint, poses, compute by stage and quartiles of latency; pruned by
    ``stages`` where it is pruned at all."""
    error, rng = record.value("mpjpe", "test"), np.random.default_rng(record.seed)
    hard_R = np.random.default_rng(1).normal(0, 8, len(RECORDINGS))
    joint_J = error * np.linspace(0, 2, 17)
    made = posing.posed(record, hypotheses)
    gmacs, latency = record.compute["inference_gmacs"] or 0.0, record.compute["latency_ms"] or 0.0
    pruning: dict[str, Any] = {stage: {} if record.params and stage in stages else None for stage in STAGES}
    return replace(
        made,
        arrays={
            **made.arrays,
            "test/mpjpe_mm": (error + hard_R - hard_R.mean() + rng.normal(0, 0.1, len(RECORDINGS))).astype(np.float32),
            "test/frames": np.full(len(RECORDINGS), 81, np.int32),
            "test/recording": np.arange(len(RECORDINGS), dtype=np.int32),
            "test/start": np.zeros(len(RECORDINGS), np.int32),
            "test/joint_mm": joint_J.astype(np.float32),
        },
        windows={"test": {"recordings": RECORDINGS}},
        compute={
            **record.compute,
            "latency_q1_ms": 0.95 * latency,
            "latency_q3_ms": 1.1 * latency,
            **{f"inference_gmacs_{stage}": share * gmacs for stage, share in SHARES.items()},
        },
        config={**record.config, "model": {"frames": factory.FRAMES, "pruning": pruning if record.params else None}},
    )


def study(seeds: Sequence[int] = (0, 1, 2), *, hypotheses: int = 1) -> list[Record]:
    return [full(record, hypotheses=hypotheses) for record in factory.study(seeds, hypotheses=hypotheses)]


def components(seeds: Sequence[int] = (0, 1)) -> list[Record]:
    """Every subset of the stages, the empty one as the baseline."""
    made = []
    for inside, seed in itertools.product(itertools.product([False, True], repeat=3), seeds):
        names = [stage for stage, there in zip(STAGES, inside, strict=True) if there]
        record = factory.record("htp", 1.0 - 0.25 * len(names), 1.0 - 0.1 * inside[2] - 0.2 * inside[0], seed)
        label = f"htp with {' '.join(names) or 'none'}"
        record = replace(record, label=label, trial=label, params=dict(zip(STAGES, inside, strict=True)))
        made.append(full(record, stages=names))
    return made


def material(records: Sequence[Record], **changes: Any) -> Material:
    about: About = factory.about(**changes)
    kept = results.ordered(records, about)
    frame = results.results(kept, about)
    return Material(frame, kept, about, front.front(frame, about), samples(kept))
