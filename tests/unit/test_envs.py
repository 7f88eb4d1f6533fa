"""Pins: one source, everything else made from it."""

import re
import tomllib
from pathlib import Path

LOCK = Path("envs/lock.txt").read_text()


def test_every_direct_pin_stands_in_the_lock():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    pins = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    locked = {line.lower().replace("_", "-") for line in LOCK.splitlines()}
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", pin) for pin in pins)
    assert {pin.lower().replace("_", "-") for pin in pins} <= locked


def test_the_post_deploy_script_holds_the_lock():
    head = Path("envs/post-deploy.head").read_text()
    assert Path("envs/smoothgates.post-deploy.sh").read_text() == f"{head}{LOCK}LOCK\n"
