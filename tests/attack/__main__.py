"""`make attack`: attack the math verifier. Prints what docs/attack.md records; exits with 1 if a wrong answer earns a
reward.
"""

import argparse
import json
import sys
import time
from collections import Counter
from random import Random

import mpmath

from .climb import climb
from .golds import golds, judged
from .grammar import DIGITS, answer
from .independent import agree, values
from .plant import RIGHT, WRONG


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--strings", type=int, default=2000)
    arguments.add_argument("--golds", type=int, default=200)
    arguments.add_argument("--steps", type=int, default=3000)
    given = arguments.parse_args()
    mpmath.mp.dps = DIGITS
    targets = Random(0).sample(sorted(set(golds())), given.golds)
    found = attack(targets, given.strings, seed=0)
    print(json.dumps({key: value for key, value in found.items() if key != "bought"}))
    for text, gold in found["bought"]:
        print(f"BOUGHT {gold!r} by {text!r}")
    everything = golds()
    for what, kinds, earned in (("accepted", WRONG, True), ("refused", RIGHT, False)):
        for kind, maker in kinds.items():
            pairs = [pair for gold in sorted(set(everything)) for pair in maker(gold, Random(gold))]
            print(f"{kind}: {sum(judged(*pair) == earned for pair in pairs)} of {len(pairs)} {what}")
    constant, lucky = Counter(everything).most_common(1)[0]
    lucky = sum(judged(gold, constant) for gold in everything)
    print(f"The luckiest constant, {constant}, wins {lucky} of {len(everything)}.")
    best, won = climb(everything, Random(1), given.steps)
    print(f"The best string of {given.steps} steps of hill-climbing wins {won}: {best}")
    return int(bool(found["bought"]) or won > lucky)


def attack(targets: list[str], strings: int, seed: int) -> dict:
    """Judge random answers against every target. `bought` lists the rewards of answers that differ from their gold."""
    rng, worth = Random(seed), {}
    began = time.perf_counter()
    won, bought = 0, []
    for _ in range(strings):
        written = answer(rng)
        if not judged(tuple(targets), written.text):
            continue
        for gold in targets:
            if not judged(gold, written.text):
                continue
            won += 1
            if gold not in worth:
                worth[gold] = values(gold)
            ours = written.values or values(written.text)
            if ours is None or worth[gold] is None or not agree(ours, worth[gold]):
                bought.append((written.text, gold))
    seconds = round(time.perf_counter() - began, 1)
    return {"strings": strings, "golds": len(targets), "rewards": won, "seconds": seconds, "bought": bought}


if __name__ == "__main__":
    sys.exit(main())
