"""pose-ablate: what accuracy does each unit of compute buy in 3D human pose lifting?

``ablate.study``, ``ablate.run`` and ``ablate.results`` are the program from Python; see ablate/notebook.py.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["results", "run", "study"]

if TYPE_CHECKING:
    from ablate.notebook import results, run, study
else:

    def __getattr__(name: str) -> Any:
        """Loaded when it is first asked for: the command line is quick without it."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ablate import notebook

        return getattr(notebook, name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
