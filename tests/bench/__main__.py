"""Measure all parts, or those that are named: `python -m tests.bench k2 k5`.

Prints the table of each part and, as its last line, all of them as JSON. A measurement of all parts rewrites
docs/performance.md. A part that fails has its error in the table, and the exit code is 1.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict

from .page import text_table, write
from .parts import PARTS
from .runner import FAILED, alone, facts, measured


def named(word: str) -> str:
    """The part of this name. Raises ArgumentTypeError if there is none."""
    if word.upper() not in PARTS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(PARTS).lower()}, got '{word}'")
    return word.upper()


def main(words: list[str] | None = None) -> int:
    """Measure, print and write. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", type=named, help=" ".join(PARTS).lower())
    asked = parser.parse_args(words).parts or list(PARTS)
    os.environ["OMP_NUM_THREADS"] = "1"  # a part that measures two threads says so itself
    record, rows = {"schema_version": 1, **alone(facts)}, []
    for part in asked:
        found = measured(part)
        rows += found
        print(text_table(found), end="\n\n", flush=True)
    line = json.dumps({**record, "rows": [asdict(row) | {"reached": row.reached} for row in rows]})
    if asked == list(PARTS):
        write(line)
    print(line)
    return int(any(row.note.startswith(FAILED) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
