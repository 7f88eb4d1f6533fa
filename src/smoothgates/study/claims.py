"""The papers' claims: config/claims.yaml."""

from pathlib import Path

from smoothgates.io.documents import read_yaml
from smoothgates.io.records import parse
from smoothgates.specs.claims import Claims


def load_claims(path: Path) -> Claims:
    """Read the claims. Raises BadInput, which names the file, the key and what was expected."""
    return parse(Claims, read_yaml(path), str(path))
