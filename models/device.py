"""Tensors on their way to the weights' device."""

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """``tensor`` on ``device``. On its way from the processor to a GPU it passes through pinned memory, so that nobody
    waits: neither the processor, which goes on at once, nor the GPU, which gets it when its turn has come."""
    if tensor.device.type == "cpu" and torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
