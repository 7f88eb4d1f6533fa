"""Nothing needs what Linux alone has: its names are taken away here, as they are absent on macOS."""

import os
import resource
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest

from smoothgates.io import system
from smoothgates.report import style
from smoothgates.report.figures import gates_figure

WITHOUT_LINUX = """
import builtins, os, pathlib, resource, sys
import psutil, torch  # which choose by the system when they are imported
sys.platform = "darwin"
for module, names in ((os, ("sched_getaffinity", "sched_setaffinity", "memfd_create", "posix_fadvise", "sched_yield",
                            "pidfd_open", "copy_file_range")), (resource, ("RLIMIT_AS", "prlimit"))):
    for name in names:
        delattr(module, name)

def absent(real):
    def act(path, *rest, **more):
        if str(path).startswith("/proc") or str(path).startswith("/dev/shm"):
            raise FileNotFoundError(2, "no such file on macOS", str(path))
        return real(path, *rest, **more)
    return act

for name in ("stat", "readlink", "listdir", "scandir", "open"):
    setattr(os, name, absent(getattr(os, name)))
builtins.open = absent(open)
"""


def test_linux_counts_the_cores_that_a_process_may_use_and_other_systems_all(monkeypatch):
    assert 1 <= system.cores() <= os.cpu_count()
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert system.cores() == os.cpu_count()


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_is_in_bytes_everywhere(platform, unit, monkeypatch):
    monkeypatch.setattr(system.sys, "platform", platform)
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=(300 << 20) // unit))
    assert system.peak_bytes() == 300 << 20


@pytest.mark.parametrize("name", ["lo", "lo0"])
def test_the_loopback_interface_is_known_by_its_address(name, monkeypatch):
    other, own = SimpleNamespace(address="192.0.2.7"), SimpleNamespace(address="127.0.0.1")
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"en0": [other], name: [other, own]})
    assert system.loopback() == name


def test_every_module_loads_and_the_whole_math_task_works_without_linux(tmp_path):
    load = (
        "import importlib, pkgutil, smoothgates\n"
        "for found in pkgutil.walk_packages(smoothgates.__path__, 'smoothgates.'):\n"
        "    if not found.name.endswith(('__main__', 'deepspeed_engine')):\n"
        "        importlib.import_module(found.name)\n"
    )
    forget = "for name in [n for n in sys.modules if n.startswith('smoothgates')]: del sys.modules[name]\n"
    act = (
        "from smoothgates.tasks.math.verifier.equality import POOL, equal\n"
        "from smoothgates.train.run.lease import Lease\n"
        "assert POOL.size == min(os.cpu_count(), 8)\n"
        "assert equal([(('x+1',), '1+x'), (('y',), '2')]) == ['correct', 'wrong']\n"
        f"Lease(pathlib.Path({str(tmp_path)!r}), 30).release()\n"
    )
    # Other packages are those of this system, and are loaded before.
    code = load + WITHOUT_LINUX + forget + load + act
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_two_ranks_meet_without_linux(tmp_path):
    code = WITHOUT_LINUX + "from smoothgates.distributed.probe import run; sys.exit(run())\n"
    place = {"WORLD_SIZE": "2", "SMOOTHGATES_MEETING": f"file://{tmp_path}/meeting"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, **place, "RANK": rank}, stderr=subprocess.PIPE
        )
        for rank in "01"
    ]
    said = [rank.communicate(timeout=120)[1].decode() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said


def test_figures_do_not_depend_on_the_start_method_of_drawing_processes(tmp_path, monkeypatch):
    """A fork inherits the theme, a fresh process sets its own."""
    style.set_theme()
    row = {"gate": "erf", "parameter": "tau", "scale": 0.5, "ratio": 1.0, "f": 1.0, "weight": 1.0, "phi": 1.0}
    gates = pd.DataFrame([{**row, "positive": positive} for positive in (True, False)])
    drawn = {}
    for start in ("fork", "spawn"):
        monkeypatch.setattr(style, "START", start)
        drawn[start] = style.draw_all({"gates": (gates_figure, gates, {"erf": "red"})}, tmp_path / start)
    assert drawn["fork"] == drawn["spawn"]
    assert "ratio r" in drawn["spawn"]["gates"]
