"""What a configuration costs, in closed form: known before anything is trained, and without torch."""

from dataclasses import replace

import models
from ablate.quantities import CLOSED
from ablate.schema import Configuration
from models.cost import Cost


def cost_of(configuration: Configuration) -> Cost:
    """The cost of a configuration as it is evaluated; for elastic weights training is the expectation over draws, for
    dense ones it is the host's own."""
    train, how, model = configuration.train, configuration.evaluate, configuration.model
    found = models.cost(
        model,
        hypotheses=how.hypotheses,
        steps=how.steps,
        flip=how.flip,
        elastic=train.elastic if train.mode == "elastic" else None,
        branch=how.branch,
    )
    if train.mode != "dense":
        return found
    dense = models.cost(replace(model, pruning=None))
    return replace(found, training_gmacs=dense.training_gmacs, activation_mb=dense.activation_mb)


def known_compute(configuration: Configuration) -> dict[str, float]:
    """The recorded numbers that the configuration alone decides, by name: GMACs and millions of parameters."""
    found = cost_of(configuration)
    return {name: float(getattr(found, name)) for name in CLOSED}
