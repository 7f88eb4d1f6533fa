"""All gates, found by listing this folder: one file, one `GATE`.

To add a gate, add a file. The gate then appears in the plots, the tests and the catalogue, and `config/methods.yaml`
may use its name. Importing this package is cheap: gate files use tensor methods only and do not import torch until they
are called. The import raises BadInput if a file does not define a valid gate.
"""

import os
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import get_args

from smoothgates.errors import BadInput
from smoothgates.gates.gate import Gate, Parameter

HELPERS = {"gate", "admissibility", "contract", "catalogue"}
"""Modules of this folder that are not gates."""


def load(name: str) -> Gate:
    """Return the gate that `gates/NAME.py` defines. Raises BadInput naming the file, which a user may have written."""
    file = os.path.relpath(Path(__file__).with_name(f"{name}.py"))
    try:
        gate = getattr(import_module(f"{__name__}.{name}"), "GATE", None)
    except Exception as error:  # a user's file may raise anything
        raise BadInput(f"{file}: cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}") from None
    if not isinstance(gate, Gate):
        raise BadInput(f"{file}: GATE: expected a Gate, got {'nothing' if gate is None else type(gate).__name__}")
    if gate.name != name:
        raise BadInput(f"{file}: name: expected '{name}', the name of the file, got '{gate.name}'")
    if gate.parameter not in get_args(Parameter):
        raise BadInput(f"{file}: parameter: expected {', '.join(get_args(Parameter))}, got '{gate.parameter}'")
    return gate


GATES: dict[str, Gate] = {info.name: load(info.name) for info in iter_modules(__path__) if info.name not in HELPERS}
