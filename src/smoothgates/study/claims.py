"""The papers' claims and questions beyond them: config/claims.yaml and config/questions.yaml."""

from pathlib import Path

from smoothgates.io.documents import read_yaml
from smoothgates.io.records import parse
from smoothgates.specs.claims import Claims
from smoothgates.specs.questions import Questions


def load_claims(path: Path) -> Claims:
    """Read the claims. Raises BadInput, which names the file, the key and what was expected."""
    return parse(Claims, read_yaml(path), str(path))


def load_questions(path: Path) -> Questions:
    """Read the questions, likewise."""
    return parse(Questions, read_yaml(path), str(path))
