"""pose-ablate: what accuracy does each unit of compute buy in 3D human pose lifting?

``ablate.study``, ``ablate.run`` and ``ablate.results`` are the program from Python; see ablate/notebook.py.
"""

__version__ = "0.1.0"

# This loads the module ablate.study as well, and so before the function of that name takes its place here.
from ablate.notebook import results, run, study

__all__ = ["results", "run", "study"]
