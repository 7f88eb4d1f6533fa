"""Griffe extension: fence the doctests in docstrings as code, so that Markdown does not read `>>>` as quotations."""

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^[ ]*>>> .*(?:\n[ ]*\S.*)*", re.MULTILINE)
"""From a prompt to the next blank line."""


class Doctests(griffe.Extension):
    """Fences them when an object has been read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of `obj` in place."""
        if obj.docstring:
            obj.docstring.value = DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", obj.docstring.value)
