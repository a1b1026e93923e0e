"""One spelling of a value, so that equal values hash alike."""

import json
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces. Raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
