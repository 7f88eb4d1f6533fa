"""JSON records that contain their own digest, so that a flipped byte is noticed."""

import hashlib
import json


def sealed(facts: dict) -> dict:
    """Add the digest of some facts to them, under `sha256`.

    >>> intact(sealed({"seconds": 1.5})), intact({**sealed({"seconds": 1.5}), "seconds": 2.5})
    (True, False)
    """
    return {**facts, "sha256": _digest(facts)}


def intact(record: dict) -> bool:
    """Whether a record still matches its digest."""
    return record.get("sha256") == _digest({key: value for key, value in record.items() if key != "sha256"})


def _digest(facts: dict) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
