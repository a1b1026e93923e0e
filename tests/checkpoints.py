"""The reference programs' weights of the fixtures as the files that those programs would leave."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typer.testing import CliRunner, Result

import ablate.cli
from ablate.cli.app import app

assert ablate.cli.COMMANDS  # importing it is what puts the commands into the program


def in_training(state: dict[str, Tensor]) -> dict[str, Any]:
    """A state dict among what D3DP, MixSTE and KTPFormer save beside it."""
    optimiser = {"state": {0: {"step": 3, "exp_avg": torch.zeros(4)}}, "param_groups": [{"lr": 6e-5, "params": [0]}]}
    return {
        "epoch": 3,
        "lr": np.float64(6e-5),
        "random_state": np.random.RandomState(1),
        "optimizer": optimiser,
        "model_pos": state,
    }


def ablate_(*arguments: str | Path) -> Result:
    """The command line in this process; an error that is not the program's own is raised."""
    done = CliRunner().invoke(app, [*map(str, arguments)], env={"NO_COLOR": "1", "COLUMNS": "160"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def refused(*arguments: str | Path) -> str:
    """What a command that ends with exit code 2 tells, and prints nothing beside."""
    done = ablate_(*arguments)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    return done.stderr
