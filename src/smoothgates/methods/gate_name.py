"""The name of a gate, as a field of records."""

from typing import Annotated

from pydantic import AfterValidator

from smoothgates.gates import GATES


def _known_gate(name: str) -> str:
    if name not in GATES:
        raise ValueError(f"unknown gate '{name}'; known: {', '.join(sorted(GATES))}")
    return name


GateName = Annotated[str, AfterValidator(_known_gate)]
"""A file of `gates/`, without its suffix."""
