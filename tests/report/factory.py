"""Records made from formulas: test data, plausible in size and measured nowhere."""

from collections.abc import Sequence

import numpy as np

from ablate.records import Metric, Record
from ablate.report import About
from ablate.sections import ReportConfig

KEEP = "model.pruning.tcep.keep_ratio"
CLUSTERS = "model.pruning.mgptp.keep_ratio"
FRAMES = 81
UNITS = {"mpjpe": "mm", "p_mpjpe": "mm", "mpjve": "mm/frame"}
SCALE = {"mpjpe": 1.0, "p_mpjpe": 0.78, "mpjve": 0.06}
ACTIONS = ("running", "sitting", "standing", "walking")


def about(**changes: object) -> About:
    content = {
        "name": "made_up",
        "question": "Test data: how many frames does a lifter need?",
        "baseline": "d3dp",
        "sweep": (KEEP, CLUSTERS),
        "report": ReportConfig(),
        "command": "ablate report made_up",
        "planned": 36,
        "notes": ("Test data made from formulas; nothing here was measured.",),
    }
    return About(**(content | changes))  # type: ignore[arg-type]


def error(keep: float, clusters: float, group: str, seed: int) -> float:
    """Test MPJPE in mm: rises as fewer frames are kept; every seed has a level of its own, every cell a little more."""
    rng = np.random.default_rng([seed, round(1000 * keep), round(1000 * clusters), len(group)])
    level = 46.0 + 0.4 * np.sin(3.0 * seed + 1.0)
    return float(level + 0.02 / clusters**1.6 + (0.35 / keep**0.5 if group == "uniform" else 0) + rng.normal(0, 0.15))


def metrics(base: float, hypotheses: int, steps: int) -> tuple[Metric, ...]:
    made = []
    for split, offset in (("validation", 1.5), ("test", 0.0)):
        for name, unit in UNITS.items():
            for aggregation, gain in (("mean", 0.0), ("p_best", 1.0), ("j_best", 2.5))[: 3 if hypotheses > 1 else 1]:
                for step in range(1, steps + 1):
                    for action in ("", *ACTIONS) if step == steps else ("",):
                        value = base + offset - gain + 0.8 / step + (3.0 * ACTIONS.index(action) - 5 if action else 0)
                        made.append(
                            Metric(
                                metric=name,
                                value=value * SCALE[name],
                                unit=unit,
                                split=split,
                                input="detector",
                                aggregation=aggregation,
                                oracle=aggregation != "mean",
                                protocol="exact",
                                hypotheses=hypotheses,
                                step=step,
                                steps=steps,
                                action=action,
                            )
                        )
    return tuple(made)


def strip(keep: float, clusters: float) -> dict[str, np.ndarray]:
    """Kept frames, denser around a burst in the middle of the window."""
    frame = np.arange(FRAMES)
    motion = 0.3 + 2.0 * np.exp(-((frame - 50) ** 2) / 60.0) + 0.2 * np.sin(frame / 4.0) ** 2
    quantiles = np.cumsum(motion + 0.3) / np.sum(motion + 0.3)
    arrays = {"strip/motion": motion.astype(np.float32)}
    for name, ratio in (("tcep", keep), ("mgptp", clusters)):
        if ratio < 1:
            wanted = np.linspace(quantiles[0], 1.0, max(2, round(ratio * FRAMES)))
            arrays[f"strip/{name}"] = np.unique(np.searchsorted(quantiles, wanted - 1e-9)).astype(np.int64)
    return arrays


def record(
    group: str = "htp",
    keep: float = 1.0,
    clusters: float = 1.0,
    seed: int = 0,
    *,
    hypotheses: int = 1,
    steps: int = 1,
) -> Record:
    dense = group == "d3dp"
    gmacs = 94.6 * (0.13 + 0.25 * keep + 0.62 * clusters) * hypotheses * steps
    base = error(keep, clusters, group, seed)
    epochs = np.arange(1, 21)
    return Record(
        study="made_up",
        trial=f"{group}-{keep:.3f}-{clusters:.3f}",
        seed=seed,
        group=group,
        label="d3dp" if dense else f"{group} tcep.keep_ratio {keep:.4g}, mgptp.keep_ratio {clusters:.4g}",
        params={} if dense else {CLUSTERS: clusters, KEEP: keep},  # as in a file: in alphabetical order
        config={
            "name": "d3dp" if dense else "htp",
            "model": {"frames": FRAMES},
            "data": {"name": "synthetic", "input": "detector"},
            "train": {"epochs": 20, "validate_every": 2, "mode": "each" if dense else "elastic"},
            "evaluate": {"flip": True, "hypotheses": hypotheses, "steps": steps},
        },
        training_key=f"{'dense' if dense else 'elastic'}-{seed}",
        metrics=metrics(base, hypotheses, steps),
        compute={
            "inference_gmacs": gmacs,
            "training_gmacs": 47.3 if dense else 27.9,
            "params_m": 1.234,
            "latency_ms": 8.0 * gmacs**0.9 + 1.5 * seed,
            "fps": 1000 * FRAMES / (8.0 * gmacs**0.9 + 1.5 * seed),
            "peak_memory_mb": None if seed else 210.0 + gmacs,
        },
        curves={
            "train_loss_mm": (300 * np.exp(-epochs / 4) + 40 + seed + 6 * (not dense)).tolist(),
            "learning_rate": (1e-3 / epochs).tolist(),
            "validation_epoch": epochs[1::2].tolist(),
            "validation_mpjpe_mm": (150 * np.exp(-epochs[1::2] / 5) + base + 1.5).tolist(),
        },
        best_epoch=20,
        data={"digest": "0" * 12, "licence": "test data"},
        provenance={
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "dirty": False,
            "device": "cpu (test)",
            "dtype": "float32",
            "torch": "2.13.0",
            "started": f"2026-01-0{seed + 1}T10:00:00+00:00",
            "seconds_train": 12.5 + seed,
            "seconds_evaluate": 2.0,
        },
        arrays={} if dense else strip(keep, clusters),
    )


def study(seeds: Sequence[int] = (0, 1, 2), *, hypotheses: int = 1, steps: int = 1) -> list[Record]:
    """Twelve configurations a seed: the dense baseline, a grid of eight, three with uniform frames."""
    cells = [("d3dp", 1.0, 1.0)]
    cells += [("htp", keep, clusters) for keep in (0.5, 1 / 3, 0.2) for clusters in (0.25, 1 / 9, 1 / 15)]
    cells += [("uniform", keep, keep / 2) for keep in (0.5, 1 / 3)]
    return [record(*cell, seed, hypotheses=hypotheses, steps=steps) for cell in cells for seed in seeds]
