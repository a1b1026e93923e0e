"""Between epochs: a run as frozen data, and a run that goes on from it with the same bits."""

from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor

from ablate.errors import InputError
from ablate.train.state import Run, module_of
from ablate.trained import Checkpoint

MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW keeps of each weight
Kind = tuple[torch.Size, torch.dtype]


def take(run: Run, fabric: Fabric, seconds: float) -> Checkpoint:
    """Where ``run`` stands, as copies that training leaves alone; ``seconds`` is the time spent so far."""
    tensors = {name: value.detach().to("cpu", copy=True) for name, value in _live(run).items()}
    return Checkpoint(
        tensors={**tensors, **_under("best", run.best_state)},  # a copy already, and never written to
        curves={name: list(values) for name, values in run.curves.items()},
        seconds=seconds,
        scaler=fabric.strategy.precision.state_dict(),
    )


def resume(run: Run, fabric: Fabric, checkpoint: Checkpoint, epochs: int) -> None:
    """Bring ``run``, just started, to where ``checkpoint`` was taken; the checkpoint's tensors stay as they are.

    Raises InputError, before anything is changed, when it is not one of this training of ``epochs`` epochs.
    """
    tensors, precision = checkpoint.tensors, fabric.strategy.precision
    wrong = _differences({name: _kind(value) for name, value in tensors.items()}, _expected(run, checkpoint))
    if checkpoint.epoch > epochs:
        wrong.append(f"{checkpoint.epoch} epochs of {epochs}")
    if checkpoint.scaler.keys() != precision.state_dict().keys():
        wrong.append("another train.precision")
    if wrong:
        said = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise InputError(f"the checkpoint is of another training ({said}); remove it, and this one starts afresh")
    module_of(run.lifter).load_state_dict(_part(tensors, "lifter"))
    if run.average is not None:
        run.average.load_state_dict(_part(tensors, "average"))
    optimiser = run.optimiser.optimizer
    moments = {moment: _part(tensors, f"optimiser/{moment}") for moment in MOMENTS}
    known = {
        index: {moment: moments[moment][name].clone() for moment in MOMENTS}
        for index, (name, _) in enumerate(module_of(run.lifter).named_parameters())
        if name in moments["step"]
    }
    optimiser.load_state_dict({**optimiser.state_dict(), "state": known})
    precision.load_state_dict(dict(checkpoint.scaler))
    run.curves = {name: list(values) for name, values in checkpoint.curves.items()}
    run.best_state = _part(tensors, "best")


def _live(run: Run) -> dict[str, Tensor]:
    """By its name in a checkpoint, everything that the next step changes."""
    module, state = module_of(run.lifter), run.optimiser.optimizer.state
    live = _under("lifter", module.state_dict())
    if run.average is not None:
        live |= _under("average", run.average.state_dict())
    for name, weight in module.named_parameters():
        live |= {f"optimiser/{moment}/{name}": value for moment, value in state.get(weight, {}).items()}
    return live


def _expected(run: Run, checkpoint: Checkpoint) -> dict[str, Kind]:
    """What a checkpoint of ``run`` holds, given which weights have had a gradient and whether an epoch was judged."""
    expected = {name: _kind(value) for name, value in _live(run).items()}  # a fresh optimiser has no moments yet
    for name, weight in module_of(run.lifter).named_parameters():
        if f"optimiser/step/{name}" in checkpoint.tensors:
            expected |= {f"optimiser/{moment}/{name}": _kind(weight) for moment in MOMENTS[1:]}
            expected[f"optimiser/step/{name}"] = (torch.Size(), torch.float32)
    if "validation_epoch" in checkpoint.curves:
        expected |= {f"best/{name}": _kind(value) for name, value in run.evaluated.state_dict().items()}
    return expected


def _kind(value: Tensor) -> Kind:
    return value.shape, value.dtype


def _differences(found: Mapping[str, Kind], expected: Mapping[str, Kind]) -> list[str]:
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def _under(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}/{name}": value for name, value in tensors.items()}


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}/"): value for name, value in tensors.items() if name.startswith(f"{part}/")}
