"""What a configuration costs, in closed form: known before anything is trained, and without torch."""

import models
from ablate.quantities import CLOSED
from ablate.schema import Configuration
from models.cost import Cost


def cost_of(configuration: Configuration) -> Cost:
    """The cost of a configuration as it is evaluated; for elastic weights training is the expectation over draws."""
    train, how = configuration.train, configuration.evaluate
    return models.cost(
        configuration.model,
        hypotheses=how.hypotheses,
        steps=how.steps,
        flip=how.flip,
        elastic=train.elastic if train.mode == "elastic" else None,
        branch=how.branch,
    )


def known_compute(configuration: Configuration) -> dict[str, float]:
    """The recorded numbers that the configuration alone decides, by name: GMACs and millions of parameters."""
    found = cost_of(configuration)
    return {name: float(getattr(found, name)) for name in CLOSED}
