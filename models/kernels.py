"""Linear layers, by the faster of two libraries where a CPU lifts poses or trains.

torch multiplies float32 on a CPU by BLAS. oneDNN, which it carries as well, was faster by a sixth on processors with
AVX-512 that aren't Intel's, and its GELU costs nothing beside the product. torch has no public name for this product
but in its compiler's output; where it is missing all goes by BLAS, and nothing changes beyond rounding.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.flop_counter import register_flop_formula

WIDE = 256  # channels from which on a layer that learns is faster by oneDNN; narrow ones are by neither
PRODUCT: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)  # None in a build without oneDNN


class Linear(nn.Linear):
    """A linear layer, and a GELU after it where one is asked for."""

    def forward(self, x: Tensor, *, gelu: bool = False) -> Tensor:
        """(..., C) -> (..., C')."""
        return linear(x, self.weight, self.bias, gelu=gelu)


def linear(x: Tensor, weight: Tensor, bias: Tensor, *, gelu: bool = False) -> Tensor:
    """``x`` (..., C) times ``weight`` (C', C) plus ``bias``, through an exact GELU where one is asked for.

    oneDNN multiplies in inference mode, as ``lift`` has it, and wide layers where they learn; what is being compiled
    keeps to torch's own names, since the compiler sees into nothing else.
    """
    own = not torch.compiler.is_compiling()
    if own and torch.is_inference_mode_enabled() and _suits(x):
        product: Tensor = PRODUCT(x, weight, bias, *(("gelu", [], "none") if gelu else ("none", [], "")))
        return product
    learns = own and torch.is_grad_enabled() and weight.requires_grad and weight.shape[-1] >= WIDE
    layer: Callable[[Tensor, Tensor, Tensor], Tensor] = _Learnt.apply if learns and _suits(x) else nnf.linear
    y = layer(x, weight, bias)
    return nnf.gelu(y) if gelu else y


class _Learnt(torch.autograd.Function):
    """The product and its gradients; that of the weight by BLAS, which is as fast at it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        y: Tensor = PRODUCT(x, weight, bias, "none", [], "")
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        rows, inputs = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
        of_x = PRODUCT(grad, weight.t(), None, "none", [], "") if ctx.needs_input_grad[0] else None
        return of_x, rows.t() @ inputs, rows.sum(0)


def _suits(x: Tensor) -> bool:
    """Float32 on a CPU; in bfloat16 torch itself asks oneDNN."""
    here = x.device.type == "cpu" and x.dtype == torch.float32
    return here and PRODUCT is not None and not torch.is_autocast_enabled("cpu")


def _flops(x: Sequence[int], weight: Sequence[int], *others: Any, out_shape: Sequence[int], **options: Any) -> int:
    return 2 * math.prod(out_shape) * weight[-1]


if PRODUCT is not None:
    register_flop_formula(PRODUCT)(_flops)  # so that torch's counter sees these products, too
