"""What the zoo's tests run over: every host plain and with each kind of pruning on it."""

import models
from models.config import Host

Combination = tuple[str, str | None]

COMBINATIONS: list[Combination] = [
    *((host, None) for host in models.hosts()),
    *((preset, host) for preset in ("htp", "hot") for host in models.hosts()),
]


def called(combination: Combination) -> str:
    name, host = combination
    return name if host is None else f"{name} on {host}"


def several(config: Host, count: int) -> int:
    """``count`` hypotheses or steps where the lifter has them; a deterministic one has one."""
    return count if config.channels else 1
