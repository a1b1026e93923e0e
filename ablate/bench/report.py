"""What a report costs: from recorded files of a large study to its tables, figures and pages."""

import itertools
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from ablate.bench import Row
from ablate.bench.metrics import peak_mb
from ablate.claims import parse_claim
from ablate.records import Metric, Record, load_all, save
from ablate.report import HTML, About, write
from ablate.sections import ReportConfig

KEEP, CLUSTERS = "model.pruning.tcep.keep_ratio", "model.pruning.mgptp.keep_ratio"
FRAMES, HYPOTHESES, WINDOWS = 27, 3, 4  # of a window, kept of the sample, and of a recording
LARGE, ORDINARY, SEEDS = 1000, 100, 3
ACTIONS = ("running", "sitting", "standing", "walking")
RECORDINGS = tuple(f"S{subject}/{action} 1 c0" for subject in (1, 2, 3) for action in ACTIONS)
UNITS = {"mpjpe": ("mm", 1.0), "p_mpjpe": ("mm", 0.78), "mpjve": ("mm/frame", 0.06)}
GAINS = {"mean": 0.0, "p_best": 1.0, "j_best": 2.5}  # mm below the mean pose; all but the first are oracles
CLAIMS = (
    "htp cuts inference_gmacs by at least 30 % against d3dp",
    "htp is no worse than d3dp by more than 0.5 mm",
    "the front of htp beats that of uniform",
)


def report(quick: bool = False) -> list[Row]:
    """The rows of ``ablate bench report``; about two minutes, most of it to make up the records."""
    large, ordinary, seeds = (12, 6, 2) if quick else (LARGE, ORDINARY, SEEDS)
    seconds, peak, _ = _reported(large, seeds)
    _, _, page_mb = _reported(ordinary, seeds)
    what = f"report of {large} trials x {seeds} seeds"
    return [
        Row(what=f"{what}, from its records' files", value=seconds, unit="s", promise=20.0),
        Row(what="the same, peak memory of the process", value=peak, unit="MB", promise=1000.0),
        Row(what=f"report.html of {ordinary} trials x {seeds} seeds", value=page_mb, unit="MB", promise=3.0),
    ]


def _reported(trials: int, seeds: int) -> tuple[float, float, float]:
    """Seconds, peak memory and the page's size in MB of a report that is made in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for record in records(trials, seeds):
            save(Path(folder) / "records", record)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(_make, Path(folder), trials * seeds).result()


def _make(folder: Path, planned: int) -> tuple[float, float, float]:
    began = time.perf_counter()
    about = About(
        name="made_up",
        question="Made-up records: what does a report cost?",
        baseline="d3dp",
        sweep=(KEEP, CLUSTERS),
        report=ReportConfig(),
        command="ablate bench report",
        planned=planned,
        notes=("Made up from formulas; nothing here was measured.",),
        claims=tuple(map(parse_claim, CLAIMS)),
    )
    page = write(list(load_all(folder / "records")), about, folder / "report")
    return time.perf_counter() - began, peak_mb(), (page.parent / HTML).stat().st_size / 1e6


def records(trials: int, seeds: int) -> Iterator[Record]:
    """So many configurations, each with so many seeds: the dense baseline, and a grid of ratios in two groups."""
    side = int(np.ceil(((trials - 1) / 2) ** 0.5))
    ratios = itertools.product(np.linspace(0.05, 0.95, side), np.linspace(0.02, 0.5, side))
    cells = [("d3dp", 1.0, 1.0)]
    cells += [(group, float(k), float(c)) for k, c in ratios for group in ("htp", "uniform")]
    for group, keep, clusters in cells[:trials]:
        yield from (_record(group, keep, clusters, seed) for seed in range(seeds))


def _record(group: str, keep: float, clusters: float, seed: int) -> Record:
    dense, rng = group == "d3dp", np.random.default_rng([seed, round(1e6 * keep), round(1e6 * clusters), len(group)])
    gmacs = 94.6 * (0.13 + 0.25 * keep + 0.62 * clusters)
    base = 46.0 + 0.2 * seed + 0.1 / clusters**0.5 + (0.35 / keep**0.5 if group == "uniform" else 0.0)
    how = {"flip": True, "hypotheses": HYPOTHESES, "steps": 2}
    return Record(
        study="made_up",
        trial=f"{group}-{keep:.4f}-{clusters:.4f}",
        seed=seed,
        group=group,
        label="d3dp" if dense else f"{group} tcep.keep_ratio {keep:.4g}, mgptp.keep_ratio {clusters:.4g}",
        params={} if dense else {CLUSTERS: clusters, KEEP: keep},
        config={
            "name": "d3dp" if dense else "htp",
            "model": {"frames": FRAMES},
            "data": {"name": "synthetic", "input": "detector"},
            "train": {"epochs": 20, "validate_every": 2, "mode": "each" if dense else "elastic"},
            "evaluate": how,
        },
        training_key=f"{'dense' if dense else 'elastic'}-{seed}",
        metrics=tuple(_metrics(base + rng.normal(0, 0.1))),
        compute={
            "inference_gmacs": gmacs,
            "training_gmacs": 47.3 if dense else 27.9,
            "params_m": 1.234,
            "latency_ms": 8.0 * gmacs**0.9 + seed,
            "fps": 1000 * FRAMES / (8.0 * gmacs**0.9 + seed),
            "peak_memory_mb": 210.0 + gmacs,
        },
        curves={
            "train_loss_mm": [300 / epoch + base for epoch in range(1, 21)],
            "validation_epoch": list(range(2, 21, 2)),
            "validation_mpjpe_mm": [200 / epoch + base for epoch in range(2, 21, 2)],
        },
        best_epoch=20,
        data={"digest": "0" * 12, "licence": "made up"},
        provenance={
            "commit": "0" * 40,
            "dirty": False,
            "device": "cpu (1 thread)",
            "dtype": "float32",
            "torch": "2.13.0",
            "started": f"2026-01-0{seed + 1}T10:00:00+00:00",
            "seconds_train": 12.5,
            "seconds_evaluate": 2.0,
        },
        windows={split: {"recordings": list(RECORDINGS)} for split in ("validation", "test")},
        arrays=_arrays(base, keep, rng),
    )


def _metrics(base: float) -> Iterator[Metric]:
    whole = itertools.product(("validation", "test"), UNITS.items(), GAINS.items(), (1, 2))
    for split, (name, (unit, scale)), (aggregation, gain), step in whole:
        for number, action in enumerate(("", *ACTIONS) if step == 2 else ("",)):
            error = (base - gain + 0.8 / step + 2.0 * number) * scale
            oracle = aggregation != "mean"
            yield Metric(
                name, error, unit, split, "detector", aggregation, oracle, "exact", HYPOTHESES, step, 2, action
            )


def _arrays(base: float, keep: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    count = len(RECORDINGS) * WINDOWS
    arrays: dict[str, np.ndarray] = {}
    for split in ("validation", "test"):
        arrays |= {
            f"{split}/mpjpe_mm": rng.normal(base, 3.0, count).astype(np.float32),
            f"{split}/frames": np.full(count, FRAMES, np.int32),
            f"{split}/recording": np.repeat(np.arange(len(RECORDINGS), dtype=np.int32), WINDOWS),
            f"{split}/start": np.tile(np.arange(WINDOWS, dtype=np.int32) * FRAMES, len(RECORDINGS)),
            f"{split}/joint_mm": rng.normal(base, 5.0, 17).astype(np.float32),
        }
    truth_FJ3 = np.random.default_rng(0).normal(0, 0.4, (1, 17, 3)) + np.linspace(0, 0.5, FRAMES)[:, None, None]
    cloud_HFJ3 = truth_FJ3 + rng.normal(0, 0.03, (HYPOTHESES, FRAMES, 17, 3))
    arrays |= {
        "sample/truth": truth_FJ3.astype(np.float32),
        "sample/pose": cloud_HFJ3.mean(axis=0).astype(np.float32),
        "sample/hypotheses": cloud_HFJ3.astype(np.float32),
        "sample/input": (truth_FJ3[..., :2] / 4).astype(np.float32),
        "strip/motion": np.linspace(0.2, 1.0, FRAMES, dtype=np.float32),
    }
    if keep < 1:
        arrays["strip/tcep"] = np.unique(np.linspace(0, FRAMES - 1, max(2, round(keep * FRAMES))).astype(np.int64))
    return arrays
