"""Every gate, found by listing this folder: one file, one `GATE`.

To add a gate, add a file. It then appears in the plots, the property tests, the catalogue in
docs/gates.md and the names that `config/methods.yaml` may use. Importing this package is cheap:
gate files use tensor methods only and need no torch until they are called.
"""

from importlib import import_module
from pkgutil import iter_modules

from smoothgates.gates.gate import Gate

HELPERS = {"gate", "admissibility"}

GATES: dict[str, Gate] = {
    info.name: import_module(f"{__name__}.{info.name}").GATE
    for info in iter_modules(__path__)
    if info.name not in HELPERS
}
