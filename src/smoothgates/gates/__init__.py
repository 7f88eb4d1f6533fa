"""Every gate, found by listing this folder: one file, one `GATE`.

To add a gate, add a file. It then appears in the plots, the property tests, the catalogue in
docs/gates.md and the names that `config/methods.yaml` may use. Importing this package is cheap:
gate files use tensor methods only and need no torch until they are called. It raises BadInput if a file is no gate.
"""

import os
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import get_args

from smoothgates.errors import BadInput
from smoothgates.gates.gate import Gate, Parameter

HELPERS = {"gate", "admissibility", "contract"}


def load(name: str) -> Gate:
    """The gate of a file of this folder. Raises BadInput naming the file: it may be a user's own."""
    file = os.path.relpath(Path(__file__).with_name(f"{name}.py"))
    try:
        gate = getattr(import_module(f"{__name__}.{name}"), "GATE", None)
    except Exception as error:  # whatever a user's text may raise
        raise BadInput(f"{file}: cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}") from None
    if not isinstance(gate, Gate):
        raise BadInput(f"{file}: GATE: expected a Gate, found {'none' if gate is None else type(gate).__name__}")
    if gate.name != name:
        raise BadInput(f"{file}: name: expected '{name}', as the file is called, got '{gate.name}'")
    if gate.parameter not in get_args(Parameter):
        raise BadInput(f"{file}: parameter: expected {', '.join(get_args(Parameter))}, got '{gate.parameter}'")
    return gate


GATES: dict[str, Gate] = {info.name: load(info.name) for info in iter_modules(__path__) if info.name not in HELPERS}
