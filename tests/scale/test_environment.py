"""The environment of these tests is complete, and has the versions of envs/scale.in."""

import re
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement

PINS = dict(re.findall(r"^([\w-]+)==([\w.!]+)", Path("envs/scale.in").read_text(), re.MULTILINE))
LEFT_OUT = {"torchvision", "torchaudio", "torchcodec", "triton"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_pin_is_installed():
    found = {normal(each.name): each.version.partition("+")[0] for each in distributions()}
    assert {name: found.get(name) for name in PINS} == PINS


def test_only_the_omitted_packages_are_missing():
    found = {normal(each.name): each.version for each in distributions()}
    needs = [Requirement(text) for each in distributions() for text in each.requires or []]
    wanted = [need for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
    assert {normal(need.name) for need in wanted} - found.keys() == LEFT_OUT
    unmet = [
        str(need)
        for need in wanted
        if normal(need.name) in found and not need.specifier.contains(found[normal(need.name)], prereleases=True)
    ]
    assert unmet == []
