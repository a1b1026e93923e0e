"""Passes of a denoiser over the same windows: what they share is computed once.

Legend: B windows, S sides (straight, and mirrored where there is a flip), H hypotheses, F frames, J joints, A values of
a joint that are diffused, C channels.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from models.execution import BY_DEVICE, Execution
from models.htp import Selection
from models.mirror import mirror
from models.mixste import MixSTE


class Passes:
    """What the network knows of some windows before it sees a state of them, for any number of passes.

    ``x2d_BFJ2``: their 2D poses; ``selections``: what each step prunes, one for all hypotheses and both sides.
    ``together``: straight and mirrored states go through as one batch, else one after the other. ``execution``
    says in what precision, and whether compiled. Nothing that comes out can be part of a gradient.
    """

    @torch.inference_mode()
    def __init__(
        self,
        denoiser: MixSTE,
        x2d_BFJ2: Tensor,
        selections: Sequence[Selection | None],
        *,
        flip: bool,
        together: bool,
        execution: Execution = BY_DEVICE,
    ) -> None:
        self._selections, self._half = selections, execution.half
        self._denoised = _compiled(denoiser) if execution.compiled else denoiser.denoised
        sides = [x2d_BFJ2, mirror(x2d_BFJ2)] if flip else [x2d_BFJ2]
        self._together = together and flip
        # side by side for each window, as a selection is repeated
        known = denoiser.known(torch.stack(sides, dim=1).flatten(0, 1))
        self._known_BSFJC = known.view(len(x2d_BFJ2), len(sides), *known.shape[1:])

    @torch.inference_mode()
    def __call__(self, xt_BHFJA: Tensor, time_BC: Tensor | None, step: int, *, flip: bool) -> Tensor:
        """(B, H, F, J, 3) clean poses of these states; with ``flip``, the mean with those of the mirrored ones."""
        selection = self._selections[step]
        if not flip:
            return self._pass(self._known_BSFJC[:, 0], xt_BHFJA, time_BC, selection)
        sides = (xt_BHFJA, mirror(xt_BHFJA))
        if self._together:
            states, known = torch.stack(sides, dim=1).flatten(0, 1), self._known_BSFJC.flatten(0, 1)
            x0 = self._pass(known, states, time_BC, None if selection is None else selection.repeated(2))
            straight, mirrored = x0[::2], x0[1::2]
        else:
            straight, mirrored = (
                self._pass(self._known_BSFJC[:, side], state, time_BC, selection) for side, state in enumerate(sides)
            )
        mean: Tensor = (straight + mirror(mirrored)) / 2
        return mean

    def _pass(
        self, known_BFJC: Tensor, xt_BHFJA: Tensor, time_BC: Tensor | None, selection: Selection | None
    ) -> Tensor:
        return self._denoised(known_BFJC, xt_BHFJA, time_BC, selection, half=self._half)


def _compiled(denoiser: MixSTE) -> Callable[..., Tensor]:
    """Its passes as torch compiles them, once for each shape. On a GPU these are CUDA graphs; the next one's result
    will lie where this one's does, so this one's is taken away."""
    mode = "reduce-overhead" if denoiser.head.weight.device.type == "cuda" else None
    compiled: Any = torch.compile(denoiser.denoised, fullgraph=True, dynamic=False, mode=mode)

    def denoised(*given: Any, **settings: Any) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        x0: Tensor = compiled(*given, **settings).clone()
        return x0

    return denoised
