"""What a training sample keeps in memory for its backward pass, in closed form, from the config alone. No torch here.

Counted is what torch's autograd keeps of one pass of one window in float32: the input of every linear layer, norm and
GELU, each norm's mean and deviation, attention's queries, keys, values, output and log-sum-exp, in fused attention,
which keeps no attention weights (what a host doesn't fuse, it adds). A batch keeps at most as many times this as it has
windows. Left out are the weights, their gradients and the optimiser's state, which no batch makes larger; the loss,
masks, indices and stochastic depth's draws, which are small; and whatever a kernel needs while it works.

Letters: F frames of a window, N of them left in a pair, S seen by attention, J joints, C channels.
"""

from collections.abc import Callable

from models.config import JOINTS, Host
from models.pruning.config import Pruning

BYTES = 4  # of a float32

Kept = Callable[[Host, int, int, int], int]


def activation_mb(config: Host, beside: Kept) -> float:
    """MB (1e6 bytes) that one training sample keeps at the config's own counts.

    ``beside``: values that a pair, by its number, on N frames that see S, keeps beside MixSTE's own, with what comes
    before the first pair in pair 0.
    """
    pruning = config.pruning or Pruning()
    values = (2 + config.channels) * config.frames * JOINTS
    before = config.frames
    for pair in range(config.depth):
        left = _left(config, pruning, pair)
        seen = left if pruning.sft is not None else config.frames
        values += _block(config, left, left) + _block(config, left, seen) + beside(config, pair, left, seen)
        if seen > left and left < before:  # dropped frames stay as they were, for the pairs that still see them
            values += (config.frames - left) * JOINTS * config.width
        if pruning.merges and left < before and (pair == 0 or pruning.recovery.kind != "skip_cross_attention"):
            values += config.frames * JOINTS * config.width  # what was summed; else recovery keeps these very tokens
        before = left
    if pruning.recovers_by_attention:
        values += _recovery(config, pruning, before)
    values += 2 * (config.width + 1) * config.frames * JOINTS  # the head's norm and linear layer
    return BYTES * values / 1e6


def _left(config: Host, pruning: Pruning, pair: int) -> int:
    """N: frames that ``pair`` works on."""
    stages = (stage for stage in (pruning.tcep, pruning.mgptp) if stage is not None and pair >= stage.before_pair)
    return min([config.frames, *(stage.count(config.frames) for stage in stages)])


def _block(config: Host, left: int, seen: int) -> int:
    """One block and the shared norm after it, on N frames that see S."""
    width, tokens, others = config.width, left * JOINTS, (seen - left) * JOINTS
    inputs = 5 * width  # of three norms, of attention's products and of the MLP
    attention = 4 * width + config.heads
    mlp = 2 * config.hidden
    values = tokens * (inputs + attention + mlp + 6)
    # frames that are only seen: their keys, values and norm, and the row of all that these are made from
    return values + (others * (2 * width + 2) + seen * JOINTS * width if others else 0)


def _recovery(config: Host, pruning: Pruning, left: int) -> int:
    """Attention from all frames to the N that are left."""
    width, all_tokens = config.width, config.frames * JOINTS
    asked = left < config.frames or pruning.queries(config.frames) > 0  # else the tokens ask themselves
    queries = all_tokens * ((2 if asked else 1) * width + width + config.heads)
    return queries + left * JOINTS * 3 * width
