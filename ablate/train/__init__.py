"""Training: windows and a built lifter in, the best epoch's weights out, in one go or in as many as it takes."""

from ablate.train.loop import fit, learning_rate
from ablate.train.state import Epoch, Fitted, Trainable
from ablate.trained import Checkpoint

__all__ = ["Checkpoint", "Epoch", "Fitted", "Trainable", "fit", "learning_rate"]
