"""A record that carries the digest of what else it says, so that no flipped byte in it goes unnoticed."""

import hashlib
import json


def sealed(facts: dict) -> dict:
    """The facts, and under `sha256` their own digest.

    >>> intact(sealed({"seconds": 1.5})), intact({**sealed({"seconds": 1.5}), "seconds": 2.5})
    (True, False)
    """
    return {**facts, "sha256": _digest(facts)}


def intact(record: dict) -> bool:
    """Whether a record still says what was sealed."""
    return record.get("sha256") == _digest({key: value for key, value in record.items() if key != "sha256"})


def _digest(facts: dict) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
