"""The one training loop: windows and a built lifter in, the best epoch's weights out.

B windows, F frames, J joints. Every random draw has an address of (seed, purpose, epoch, step), so neither the order of
work nor what else draws random numbers can change the weights: on a CPU the same seed gives the same bits, also where a
training was killed and gone on with.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from typing import Any

import torch
from torch import Tensor
from torch.profiler import record_function

from ablate import seeds
from ablate.data.windows import Windows
from ablate.errors import TrainingDiverged
from ablate.sections import TrainConfig
from ablate.train.checkpoint import resume, take
from ablate.train.devices import Team, gather
from ablate.train.feeding import Poses, feed
from ablate.train.state import Epoch, Fitted, Run, Setting, Trainable, module_of, rows, start
from ablate.trained import Checkpoint

MM = 1000.0
LOOK = 64  # after so many steps the losses are looked at; a GPU is waited for, so not in every step


def learning_rate(config: TrainConfig, epoch: int, progress: float) -> float:
    """The rate in ``epoch`` (from 0) at ``progress``, the share of the whole training behind it, in (0, 1)."""
    if config.schedule == "exponential":
        return config.learning_rate * config.decay**epoch
    if progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - config.warmup) / (1 - config.warmup)))


def fit(
    lifter: Trainable,
    windows: Windows,
    *,
    config: TrainConfig,
    seed: int,
    validate: Callable[[Any], float],
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpoint: Checkpoint | None = None,
    on_checkpoint: Callable[[Checkpoint], None] | None = None,
) -> Fitted:
    """Train ``lifter`` on ``windows``; on return it holds the best epoch's weights, on the device it was trained on.

    ``validate`` returns the validation error of the lifter it is handed, in millimetres; the lowest one decides, the
    earlier epoch on a tie. ``checkpoint`` is where to go on from, with the bits of a training that was never stopped.
    At the end of every epoch ``on_checkpoint`` gets a checkpoint to keep, then ``on_epoch`` the epoch's numbers: what
    was told is kept. All three are called in this process, however many devices train.

    Raises TrainingDiverged when the loss, the weights or the validation error stop being finite, InputError when this
    machine lacks the accelerator, the devices or the precision, or when ``checkpoint`` is of another training.
    """
    started = time.perf_counter() - (0.0 if checkpoint is None else checkpoint.seconds)
    with gather(config, _follow, lifter, windows, seed, checkpoint) as team:
        setting, run = _begin(team, config, lifter, windows, seed, checkpoint)
        while run.epoch < config.epochs:
            ended = _epoch(setting, run, validate)
            if on_checkpoint is not None:
                on_checkpoint(take(run, team.fabric, time.perf_counter() - started))
            if on_epoch is not None:
                on_epoch(ended)
        module_of(lifter).load_state_dict(run.best_state)
    seconds = time.perf_counter() - started
    return Fitted(state=run.best_state, curves=run.curves, best_epoch=run.best[1], seconds=seconds)


def _follow(
    team: Team, config: TrainConfig, lifter: Trainable, windows: Windows, seed: int, checkpoint: Checkpoint | None
) -> None:
    """What every other rank does: the same steps, and nothing of what is done once."""
    setting, run = _begin(team, config, lifter, windows, seed, checkpoint)
    while run.epoch < config.epochs:
        _pass(setting, run)


def _begin(
    team: Team, config: TrainConfig, lifter: Trainable, windows: Windows, seed: int, checkpoint: Checkpoint | None
) -> tuple[Setting, Run]:
    at_once = rows(config, lifter.config, team.fabric.device)
    setting = Setting(team=team, windows=windows, config=config, seed=seed, rows=at_once)
    run = start(setting, lifter)
    if checkpoint is not None:
        resume(run, team.fabric, checkpoint, config.epochs)
    return setting, run


def _epoch(setting: Setting, run: Run, validate: Callable[[Any], float]) -> Epoch:
    """Train for one epoch, validate where it is due, and bring ``run`` up to date."""
    config = setting.config
    _pass(setting, run)
    due = run.epoch % config.validate_every == 0 or run.epoch == config.epochs
    return Epoch(
        number=run.epoch,
        epochs=config.epochs,
        validation_mpjpe_mm=_validated(run, validate) if due else None,
        train_loss_mm=run.curves["train_loss_mm"][-1],
        learning_rate=run.curves["learning_rate"][-1],
        windows_per_s=run.curves["windows_per_s"][-1],
        best=run.best[1],
    )


def _pass(setting: Setting, run: Run) -> None:
    """Every window of the epoch once."""
    config, epoch, device, started = setting.config, run.epoch, setting.team.fabric.device, time.perf_counter()
    drawn = setting.windows.training(setting.seed, epoch)
    count = len(drawn) if config.windows is None else min(config.windows, len(drawn))
    batches = [range(first, min(first + config.batch, count)) for first in range(0, count, config.batch)]
    rates = [
        learning_rate(config, epoch, (epoch + (step + 0.5) / len(batches)) / config.epochs)
        for step in range(len(batches))
    ]
    losses: list[float] = []
    waiting: list[Tensor] = []
    fed = feed(drawn, batches, flip=config.flip, seed=setting.seed, epoch=epoch, pinned=device.type == "cuda")
    run.lifter.train()
    with record_function("steps"), closing(fed), _own_randomness(device):
        for step, (poses, rate) in enumerate(zip(fed, rates, strict=True)):
            waiting.append(_step(setting, run, poses, step, rate))
            if len(waiting) == LOOK or step + 1 == len(batches):
                losses += _looked_at(waiting, config, epoch, rates[len(losses) :], len(losses))
                waiting.clear()
    speed = count / (time.perf_counter() - started)
    if not all(bool(weight.isfinite().all()) for weight in run.lifter.parameters()):
        raise _diverged("a weight is no longer finite", config, epoch, len(batches) - 1, rates[-1])
    loss_sum = sum(loss * len(batch) for loss, batch in zip(losses, batches, strict=True))
    run.note(train_loss_mm=MM * loss_sum / count, learning_rate=rates[-1], windows_per_s=speed)


def _looked_at(
    waiting: list[Tensor], config: TrainConfig, epoch: int, rates: Sequence[float], first: int
) -> list[float]:
    """The losses of steps from ``first`` on, once the device has come to them. Raises TrainingDiverged."""
    losses: list[float] = torch.stack(waiting).tolist()
    for step, (loss, rate) in enumerate(zip(losses, rates, strict=False), first):
        if not math.isfinite(loss):
            raise _diverged(f"the loss is {loss}", config, epoch, step, rate)
    return losses


def _step(setting: Setting, run: Run, poses: Poses, step: int, rate: float) -> Tensor:
    """One update of the weights; returns the loss before it, in metres, on the device that nothing here waits for."""
    config, team, where = setting.config, setting.team, (run.epoch, step)
    module = module_of(run.lifter)
    pruning = None
    if config.mode == "elastic":
        pruning = run.lifter.elastic(config.elastic, seeds.stream(setting.seed, "elastic", *where))
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    # What a layer draws from torch's global generator (dropout) has an address as well.
    torch.manual_seed(seeds.torch_stream(setting.seed, "layers", *where).initial_seed())
    loss = _gradients(setting, run, poses, where, pruning)
    with record_function("optimiser"):
        loss = team.together(loss, module)
        if config.clip is not None:
            team.fabric.clip_gradients(module, run.optimiser, max_norm=config.clip, error_if_nonfinite=False)
        run.optimiser.step()
        run.optimiser.zero_grad()
        if run.average is not None:
            run.average.update_parameters(module)
    return loss


def _gradients(setting: Setting, run: Run, poses: Poses, where: tuple[int, int], pruning: Any) -> Tensor:
    """This rank's part of the batch's loss, and of its gradients: one part after the other, each with the draws of the
    whole batch."""
    team, fabric, count = setting.team, setting.team.fabric, len(poses.x2d_BFJ2)
    own, parts = team.rows(count), list[Tensor]()
    for first in range(own.start, own.stop, setting.rows):
        part = slice(first, min(first + setting.rows, own.stop))
        options: dict[str, Any] = {} if team.size == 1 and part == own else {"rows": part}
        if setting.config.mode == "elastic":
            options["pruning"] = pruning
        generator = seeds.torch_stream(setting.seed, "diffusion", *where)
        with record_function("forward"), fabric.autocast():
            loss = run.lifter.loss(*poses, generator=generator, **options)
            if "rows" in options:  # a mean over fewer windows than the batch's
                loss = loss * (team.share(count) * (part.stop - part.start) / (own.stop - own.start))
        with record_function("backward"):
            fabric.backward(loss)
        parts.append(loss.detach())
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum()


def _validated(run: Run, validate: Callable[[Any], float]) -> float:
    """The validation error in millimetres; the weights are kept when it is the lowest so far."""
    run.evaluated.eval()
    error_mm = validate(run.evaluated)
    if not math.isfinite(error_mm):
        raise TrainingDiverged(f"training diverged in epoch {run.epoch}: the validation error is {error_mm}")
    run.note(validation_epoch=run.epoch, validation_mpjpe_mm=error_mm)
    if run.best[1] == run.epoch:
        run.best_state = {name: value.detach().cpu().clone() for name, value in run.evaluated.state_dict().items()}
    return error_mm


def _own_randomness(device: torch.device) -> AbstractContextManager[None]:
    """Whatever is seeded inside leaves the caller's generators as they were."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _diverged(what: str, config: TrainConfig, epoch: int, step: int, rate: float) -> TrainingDiverged:
    mends = ["lower train.learning_rate"]
    if config.clip is None:
        mends.append("bound the gradient with train.clip")
    if config.precision == "16-mixed":
        mends.append("train in bf16-mixed or 32-true")
    where = f"epoch {epoch + 1}, step {step + 1}"
    return TrainingDiverged(f"training diverged in {where}: {what} at learning rate {rate:.3g}; {' or '.join(mends)}")
