"""What a lifter costs: the closed form, checked by two counters that trace a real pass, and what a device says.

A lifter on the meta device is counted in a second and takes no memory, whatever its size. GMACs are 1e9
multiply-accumulates of linear layers and attention products; softmax, norms, activations, biases and sums are not
counted (as is the habit of the field). MB are 1e6 bytes.

B windows, K denoising steps, H hypotheses, F frames, J joints, A values of a joint that are diffused.
"""

import contextlib
import io
import math
import statistics
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import ptflops
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ablate import seeds
from ablate.data.skeleton import NAMES
from ablate.errors import AblateError
from ablate.quantities import CLOSED, COUNTED, WATCHED
from ablate.sections import BranchConfig, EvaluateConfig, MeasureConfig
from models.execution import Execution
from models.sampling import Draws, Flip

GIGA, MEGA = 1e9, 1e6
_ATEN: Any = torch.ops.aten
TORCH_TOLERANCE, PTFLOPS_TOLERANCE = 0.005, 0.015


class Cost(Protocol):
    """The closed form of a lifter's compute (see models.cost)."""

    @property
    def pass_gmacs(self) -> float: ...

    @property
    def training_gmacs(self) -> float: ...

    @property
    def inference_gmacs(self) -> float: ...

    @property
    def params_m(self) -> float: ...

    @property
    def kept_frames(self) -> int: ...

    @property
    def activation_mb(self) -> float: ...

    @property
    def inference_stages(self) -> Mapping[str, float]: ...


class Lifter(Protocol):
    """What measuring asks of a lifter, which is an nn.Module."""

    @property
    def config(self) -> Any: ...

    @property
    def channels(self) -> int: ...

    def select(self, x2d_BFJ2: Tensor) -> Any: ...

    def denoise(self, x2d_BFJ2: Tensor, xt_BHFJA: Tensor, t_B: Tensor, selection: Any) -> Tensor: ...

    def lift(
        self,
        x2d_BFJ2: Tensor,
        *,
        hypotheses: int,
        steps: int,
        flip: Flip,
        draws: Draws,
        eta: float,
        noise: Tensor,
        branch: BranchConfig | None,
        execution: Execution,
    ) -> Tensor: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


def measure(
    lifter: Lifter,
    cost: Cost,
    evaluate: EvaluateConfig,
    measure: MeasureConfig,
    *,
    build_on_meta: Callable[[], Lifter],
    device: torch.device,
) -> dict[str, float | None]:
    """Everything that is recorded about compute, by name with its unit; None where ``measure`` leaves it out.

    ``build_on_meta`` builds the same lifter on the meta device, to be counted there. Raises AblateError when a counter
    contradicts the closed form.
    """
    counters = count(build_on_meta(), cost) if measure.counters else dict.fromkeys(COUNTED)
    clock = watch(lifter, evaluate, measure, device=device) if measure.latency else dict.fromkeys(WATCHED)
    return {**closed_form(cost), **by_stage(cost), **counters, **clock}


def closed_form(cost: Cost) -> dict[str, float | None]:
    """``params_m`` million parameters; GMACs of one pass, of one training sample (forward) and of lifting a window;
    ``kept_frames`` of the last pair; ``activation_mb`` that one training sample keeps for its backward pass."""
    return {name: float(getattr(cost, name)) for name in CLOSED}


def by_stage(cost: Cost) -> dict[str, float | None]:
    """``inference_gmacs_STAGE`` for each stage of ``models.cost.STAGES``: they add up to ``inference_gmacs``. What a
    cost from elsewhere counts beyond its stages is the stage ``other``."""
    stages: dict[str, float | None] = {
        f"inference_gmacs_{name}": gmacs for name, gmacs in cost.inference_stages.items()
    }
    rest = cost.inference_gmacs - math.fsum(cost.inference_stages.values())
    return stages | ({"inference_gmacs_other": rest} if abs(rest) > 1e-9 * cost.inference_gmacs else {})


def count(lifter: Lifter, cost: Cost) -> dict[str, float | None]:
    """GMACs of one pass over one window after torch's counter and after ptflops, the same on any device.

    Fused attention is invisible to ptflops, so attention is traced as plain products. ptflops adds a linear layer's
    biases, 1 / C of its products; they are left out, so that all three count the same. Neither knows of the distances
    between tokens by which some policies choose: each is told that they are products as well. Raises AblateError when
    a counter is further from the closed form than 0.5 % (torch) or 1.5 % (ptflops), or the parameters differ.
    """
    traced = _Pass(lifter)
    parameters = sum(weight.numel() for weight in lifter.parameters()) / MEGA
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False, custom_mapping={_ATEN._cdist_forward: _distance_flops}) as counter:
            traced()
        by_torch = counter.get_total_flops() / 2 / GIGA
        by_ptflops = _ptflops(traced) / GIGA
    _agree("params_m", parameters, cost.params_m, 1e-9)
    _agree("torch's counter, GMACs of a pass", by_torch, cost.pass_gmacs, TORCH_TOLERANCE)
    _agree("ptflops, GMACs of a pass", by_ptflops, cost.pass_gmacs, PTFLOPS_TOLERANCE)
    return dict(zip(COUNTED, (by_torch, by_ptflops), strict=True))


class _Pass(nn.Module):
    """One pass of the denoiser as a module's forward, which is what ptflops counts."""

    def __init__(self, lifter: Lifter) -> None:
        super().__init__()
        self.denoise = lifter.denoise  # not the module itself: ptflops leaves its hooks on every child
        frames = lifter.config.frames
        x2d_BFJ2 = torch.randn(1, frames, len(NAMES), 2, generator=seeds.torch_stream(0, "measure"))
        device = next(lifter.parameters()).device
        self.inputs = (
            x2d_BFJ2.to(device),
            torch.zeros(1, 1, frames, len(NAMES), lifter.channels, device=device),
            torch.zeros(1, dtype=torch.int64, device=device),
            lifter.select(x2d_BFJ2),
        )

    def forward(self) -> Tensor:
        return self.denoise(*self.inputs)


def _ptflops(traced: _Pass) -> float:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):  # it prints what went wrong and returns None
        macs, _ = ptflops.get_model_complexity_info(
            traced,
            (1,),
            backend="aten",
            input_constructor=lambda _: {},
            as_strings=False,
            print_per_layer_stat=False,
            custom_modules_hooks={_ATEN.addmm: _without_bias, _ATEN._cdist_forward: _distances},
        )
    if macs is None:
        raise AblateError(f"ptflops can't count this lifter: {said.getvalue().strip()}")
    return float(macs)


def _without_bias(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> int:
    return outputs[0].numel() * inputs[1].shape[-1]


def _distances(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> int:
    return outputs[0].numel() * inputs[0].shape[-1]


def _distance_flops(points: Sequence[int], *others: Any, out_shape: Sequence[int], **options: Any) -> int:
    return 2 * math.prod(out_shape) * points[-1]


def _agree(what: str, counted: float, closed: float, tolerance: float) -> None:
    if abs(counted - closed) > tolerance * closed:
        text = f"{what}: counted {counted:.6g}, but the closed form says {closed:.6g} (tolerance {tolerance:.1%})"
        raise AblateError(f"{text}; the cost formula and the network have grown apart")


def watch(
    lifter: Lifter, evaluate: EvaluateConfig, measure: MeasureConfig, *, device: torch.device
) -> dict[str, float | None]:
    """Latency of lifting one window as ``evaluate`` says, frames a second, and peak memory, on ``device``.

    Median and quartiles of ``measure.repeats`` runs after ``measure.warmup``. Peak memory is the weights plus what
    lifting one window adds: on CUDA by the allocator's own peak; on a CPU by following every tensor that an operation
    returns until it is freed, which leaves out what a kernel uses inside.
    """
    assert isinstance(lifter, nn.Module)
    lifter.to(device).eval()
    frames = lifter.config.frames
    generator = seeds.torch_stream(0, "measure")
    x2d_BFJ2 = torch.randn(1, frames, len(NAMES), 2, generator=generator).to(device)
    shape_KBHFJA = (evaluate.steps, 1, evaluate.hypotheses, frames, len(NAMES), lifter.channels)
    noise_KBHFJA = torch.randn(shape_KBHFJA, generator=generator).to(device)

    def lift() -> None:
        with torch.inference_mode():
            lifter.lift(
                x2d_BFJ2,
                hypotheses=evaluate.hypotheses,
                steps=evaluate.steps,
                flip=evaluate.flip,
                draws=evaluate.draws,
                eta=evaluate.eta,
                noise=noise_KBHFJA,
                branch=evaluate.branch,
                execution=Execution(precision=evaluate.precision),
            )

    seconds = [_seconds(lift, device) for _ in range(measure.warmup + measure.repeats)][measure.warmup :]
    middle = statistics.median(seconds)
    low, high = statistics.quantiles(seconds, method="inclusive")[::2] if len(seconds) > 1 else (middle, middle)
    weights = sum(weight.nbytes for weight in lifter.parameters())
    peak = (weights + peak_bytes(lift, device)) / MEGA
    return dict(zip(WATCHED, (1e3 * middle, 1e3 * low, 1e3 * high, frames / middle, peak), strict=True))


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """The most memory that ``work`` holds at once, beside what was there before it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    live = LiveBytes()
    with live:
        work()
    return live.peak


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors made inside it and still alive; ``peak`` is the most there were at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor):
                self._known.add(tensor.untyped_storage())
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage() not in self._known:
                self._enter(tensor.untyped_storage())
        return result

    def _enter(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self._known.add(storage)
        weakref.finalize(storage, self._leave, size).atexit = False
        self.now += size
        self.peak = max(self.peak, self.now)

    def _leave(self, size: int) -> None:
        self.now -= size
