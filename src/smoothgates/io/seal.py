"""Records that contain a digest of their other facts, so that a damaged or edited record is detected."""

import hashlib
import json


def sealed(facts: dict) -> dict:
    """The facts, with their digest under `sha256`.

    >>> intact(sealed({"seconds": 1.5})), intact({**sealed({"seconds": 1.5}), "seconds": 2.5})
    (True, False)
    """
    return {**facts, "sha256": _digest(facts)}


def intact(record: dict) -> bool:
    """Whether a record matches the digest that `sealed` added."""
    return record.get("sha256") == _digest({key: value for key, value in record.items() if key != "sha256"})


def _digest(facts: dict) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
