"""What the zoo's tests run over: every host plain and with each kind of pruning on it."""

from typing import Any, get_args, get_type_hints

import models
from models.config import Host
from models.pruning.config import Recovery

Combination = tuple[str, str | None]

COMBINATIONS: list[Combination] = [
    *((host, None) for host in models.hosts()),
    *((preset, host) for preset in ("htp", "hot") for host in models.hosts()),
]


RECOVERIES: tuple[Any, ...] = get_args(get_type_hints(Recovery)["kind"])


def called(combination: Combination) -> str:
    name, host = combination
    return name if host is None else f"{name} on {host}"


def several(config: Host, count: int) -> int:
    """``count`` hypotheses or steps where the lifter has them; a deterministic one has one."""
    return count if config.channels else 1
