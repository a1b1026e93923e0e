"""What was predicted of a study's run, and what it then took: one small file a study in the home folder."""

import json
import time
from collections.abc import Mapping
from typing import Any

from ablate.errors import StorageError
from ablate.provenance import environment
from ablate.terminal import duration
from ablate.workspace import Workspace
from ablate.writing import write_atomically


class Prediction:
    """The file of one study; ``ablate plan`` writes it, a run adds what it took."""

    def __init__(self, workspace: Workspace, study: str) -> None:
        self._path = workspace.home / "predictions" / f"{study}.json"

    def load(self) -> dict[str, Any] | None:
        """None where nothing was predicted. Raises StorageError."""
        try:
            found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StorageError(f"{self._path}: can't be read ({error}); delete it, it can be made again") from error
        return found

    def save(self, outlook: Mapping[str, Any]) -> None:
        """Keep an outlook, with the code and the time of it; none of a finished study, which would only hide the one
        that its run is compared with. Raises StorageError."""
        if not outlook["open"]:
            return
        known = environment()
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._write({**outlook, "commit": known["commit"], "dirty": known["dirty"], "made": made})

    def ended(self, done: int, workers: int, seconds: float) -> None:
        """Keep how long a run took, where it was the predicted one: as many trials by as many workers."""
        found = self.load()
        if done and found is not None and (found["open"], found["workers"]) == (done, workers):
            self._write({**found, "actual_seconds": seconds})

    def comparison(self) -> str | None:
        """Predicted against actual in a sentence, when both are known."""
        found = self.load()
        if found is None or "actual_seconds" not in found:
            return None
        low, likely, high = map(duration, found["seconds"])
        return (
            f"`ablate plan` predicted {likely} ({low} to {high}) for {found['open']} trials on {found['machine']}; "
            f"they took {duration(found['actual_seconds'])} until this report."
        )

    def _write(self, content: Mapping[str, Any]) -> None:
        write_atomically(self._path, json.dumps(content, indent=2).encode())
