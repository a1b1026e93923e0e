"""The valid name nearest to a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, valid: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` or, when nothing is close, the empty string."""
    match = get_close_matches(str(name), list(valid), n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else ""
