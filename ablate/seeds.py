"""Every random draw has an address: (seed, purpose, and where it is used), so that the order of work can't change it.

Two draws with the same address are equal, whatever ran before, in whichever process. Philox streams are sequential, so
a longer draw begins with the shorter one: the first H of 20 hypotheses are those of a run with H.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def _key(seed: int, purpose: str, where: tuple[int | str, ...]) -> int:
    text = "/".join([str(seed), purpose, *map(str, where)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def stream(seed: int, purpose: str, *where: int | str) -> "np.random.Generator":
    """A numpy generator for this address."""
    import numpy as np  # imported here, so that checking a study stays instant

    return np.random.Generator(np.random.Philox(key=_key(seed, purpose, where)))


def torch_stream(seed: int, purpose: str, *where: int | str) -> "torch.Generator":
    """A CPU torch generator for this address."""
    import torch

    return torch.Generator().manual_seed(_key(seed, purpose, where) % 2**63)
