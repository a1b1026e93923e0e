"""How metrics, compute and swept values are called in tables and figures; the unit always comes along."""

from collections.abc import Mapping, Sequence
from typing import Any

from ablate.sections import told

METRICS = {"mpjpe": "MPJPE", "p_mpjpe": "P-MPJPE", "mpjve": "MPJVE", "pck_150": "PCK at 150 mm", "auc": "AUC"}
LARGER = frozenset({"pck_150", "auc"})  # of these more is better

# What stands beside the errors: of the mean pose, overall.
FURTHER = {
    "n_mpjpe": "N-MPJPE",
    "mpjve": "MPJVE",
    "acceleration_error": "acceleration error",
    "bone_variation": "bone variation",
    "asymmetry": "asymmetry",
    "mpjpe_kept": "MPJPE of kept frames",
    "mpjpe_pruned": "MPJPE of pruned frames",
}
SPREAD = {"spread_correlation": "correlation of spread and error", "spread_ratio": "error over spread"}

COMPUTE = {
    "inference_gmacs": "inference",
    "training_gmacs": "training",
    "params_m": "params",
    "latency_ms": "latency",
    "fps": "speed",
    "peak_memory_mb": "memory",
}

# A compute value's name holds one of these.
_UNITS = {"gmacs": "GMACs", "params": "M", "latency": "ms", "memory": "MB", "activation": "MB"}
_UNITS |= {"fps": "frames/s", "frames": "frames"}


def compute_unit(name: str) -> str:
    """The unit of a compute value; empty for a plain number such as a ratio."""
    return next((unit for part, unit in _UNITS.items() if part in name), "")


def compute_title(name: str) -> str:
    """'inference (GMACs)' for 'inference_gmacs'."""
    return titled(COMPUTE[name], compute_unit(name))


def titled(name: str, unit: str) -> str:
    """'MPJPE (mm)'; a plain number's name alone."""
    return f"{name} ({unit})" if unit else name


def error_title(metric: str, unit: str) -> str:
    """'MPJPE, test (mm)'."""
    return f"{METRICS[metric]}, test ({unit})"


def shown(value: Any) -> str:
    """A value as people write it: 0.333 for a third, 'on' and 'off' for what is there or isn't."""
    if value is None or isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return told(value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def listed(values: Sequence[Any]) -> str:
    """'0, 1, 2': what a fact holds over the records."""
    return ", ".join(map(shown, values))
