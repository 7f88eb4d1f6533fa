"""Launching ranks: their environment, how they meet, and how a failure of one ends the others."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from smoothgates.distributed import launch
from smoothgates.distributed.launch import Launcher, find_launcher, rank_environments, step_command, supervise
from smoothgates.errors import BadInput

STEP = {
    "SLURM_JOB_ID": "31",
    "SLURM_STEP_ID": "2",
    "SLURM_STEP_NUM_NODES": "3",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NODELIST": "n[4-6]",
    "SMOOTHGATES_PORT": "20321",
}
ALONE = Launcher(1, 0, "file:///private/meeting")


def no_gpus() -> int:
    return 0


def launcher(environment: dict[str, str]) -> Launcher:
    return find_launcher(environment, lambda nodes: f"first-of-{nodes}", Path("/private"))


def test_outside_of_slurm_there_is_one_node():
    assert launcher({}) == launcher({"SLURM_JOB_ID": "31", "SLURM_STEP_NUM_NODES": "1"}) == ALONE


def test_a_launcher_derives_its_node_from_its_step():
    assert launcher(STEP) == Launcher(3, 1, "tcp://first-of-n[4-6]:20321")
    assert find_launcher(STEP, lambda _: "fd00::4", Path("/private")).meeting == "tcp://[fd00::4]:20321"


def test_all_nodes_of_a_step_use_one_port_that_is_drawn_at_random(monkeypatch):
    drawn, variables = set(), {**os.environ}
    for _ in range(20):
        monkeypatch.setattr(os, "environ", {**variables, "SLURM_JOB_ID": "31"})
        monkeypatch.setattr(os, "execvp", lambda *_: sys.exit())
        with pytest.raises(SystemExit):
            launch.run(["probe"], lambda: None, nodes=3)
        port = os.environ["SMOOTHGATES_PORT"]
        meetings = {launcher({**STEP, "SLURM_NODEID": node, "SMOOTHGATES_PORT": port}).meeting for node in "012"}
        assert meetings == {f"tcp://first-of-n[4-6]:{port}"}
        drawn.add(port)
    assert len(drawn) > 5  # out of 10,000: each launch of the same job draws a new one


@pytest.mark.parametrize("port", ["", "80", "http"])
def test_a_step_without_a_drawn_port_is_refused(port):
    with pytest.raises(
        BadInput, match=rf"SMOOTHGATES_PORT: expected the port drawn by `launch --nodes 3`, got '{port}'"
    ):
        launcher({**STEP, "SMOOTHGATES_PORT": port})


def test_two_launchers_on_a_node_are_refused():
    with pytest.raises(BadInput, match="srun -N 3 -n 3"):
        launcher({**STEP, "SLURM_STEP_NUM_TASKS": "6"})


def test_the_first_node_is_where_slurm_says_it_is(tmp_path, monkeypatch):
    script = tmp_path / "scontrol"
    script.write_text(
        '#!/bin/sh\n[ "$2" = hostnames ] && printf "n4\\nn5\\n" || echo "NodeName=$3 NodeAddr=10.0.0.4 Port=1"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert launch.first_address("n[4-5]") == "10.0.0.4"


def test_ranks_number_the_world_without_gaps():
    launchers = [Launcher(2, node, "tcp://10.0.0.4:20000") for node in (0, 1)]
    ranks = [rank for launcher in launchers for rank in rank_environments(launcher, {}, 4, no_gpus)]
    assert [int(rank["RANK"]) for rank in ranks] == list(range(8))
    assert [int(rank["LOCAL_RANK"]) for rank in ranks] == [0, 1, 2, 3] * 2
    assert {(rank["WORLD_SIZE"], rank["LOCAL_WORLD_SIZE"], rank["SMOOTHGATES_MEETING"]) for rank in ranks} == {
        ("8", "4", "tcp://10.0.0.4:20000")
    }
    assert not any("CUDA_VISIBLE_DEVICES" in rank for rank in ranks)


@pytest.mark.parametrize(
    ("visible", "processes", "expected"),
    [
        ("0,1,2,3", None, ["0", "1", "2", "3"]),
        ("4,5,6,7", 2, ["4,5", "6,7"]),
        ("GPU-aa,GPU-bb", None, ["GPU-aa", "GPU-bb"]),
        ("5", None, ["5"]),
    ],
)
def test_gpus_are_divided_in_the_order_in_which_they_are_named(visible, processes, expected):
    ranks = rank_environments(ALONE, {"CUDA_VISIBLE_DEVICES": visible}, processes, no_gpus)
    assert [rank["CUDA_VISIBLE_DEVICES"] for rank in ranks] == expected


def test_a_plain_shell_has_all_gpus_of_the_machine():
    ranks = rank_environments(ALONE, {}, None, lambda: 3)
    assert [rank["CUDA_VISIBLE_DEVICES"] for rank in ranks] == ["0", "1", "2"]
    hidden = rank_environments(ALONE, {"CUDA_VISIBLE_DEVICES": ""}, 2, lambda: 3)
    assert not any("CUDA_VISIBLE_DEVICES" in rank for rank in hidden)


def test_gpus_are_counted_by_the_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.installed_gpus() == 0
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'GPU 0: H200 (UUID: 1)'\necho '  MIG 1g.18gb Device 0:'\necho 'GPU 1: H200 (UUID: 2)'\n"
    )
    tool.chmod(0o755)
    assert launch.installed_gpus() == 2


def test_gpus_that_cannot_be_divided_evenly_are_an_error():
    with pytest.raises(BadInput, match="3 GPUs"):
        rank_environments(ALONE, {"CUDA_VISIBLE_DEVICES": "0,1,2"}, 2, no_gpus)


def test_a_step_has_one_launcher_on_each_node():
    words = step_command(2, 8, ["train", "--spec", "{}"])
    assert words[:5] == ["srun", "-N", "2", "-n", "2"]
    assert {"--kill-on-bad-exit=1", "--export=ALL"} <= {*words}
    assert words[-6:] == ["--processes", "8", "--", "train", "--spec", "{}"]


def python(code: str, count: int) -> int:
    return supervise([sys.executable, "-c", code], rank_environments(ALONE, {}, count, no_gpus))


def test_supervise_returns_0_if_all_ranks_succeed(tmp_path):
    code = f"import os, pathlib; pathlib.Path({str(tmp_path)!r}, os.environ['RANK']).touch()"
    assert python(code, 4) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize(
    ("end", "code", "named"),
    [
        ("raise SystemExit(2)", 2, "code 2"),
        ("print('no such file', file=sys.stderr); raise SystemExit(1)", 1, "code 1: no such file"),
        ("os.kill(os.getpid(), 9)", 137, "killed by SIGKILL"),
    ],
)
def test_a_dead_rank_ends_the_others_and_is_named(tmp_path, capfd, count, end, code, named):
    body = (
        "import os, pathlib, sys, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "(here / os.environ['RANK']).write_text(str(os.getpid()))\n"
        "if os.environ['RANK'] == '1':\n"
        f"    while sum(bool(path.read_text()) for path in here.iterdir()) < {count}: time.sleep(0.01)\n"
        f"    {end}\n"
        "time.sleep(600)\n"
    )
    began = time.monotonic()
    assert python(body, count) == code
    assert time.monotonic() - began < 5
    assert f"rank 1 {'was ' if code == 137 else 'exited with '}{named}" in capfd.readouterr().err
    for path in tmp_path.iterdir():
        assert not psutil.pid_exists(int(path.read_text()))


def test_of_several_ranks_that_ended_the_cause_is_named():
    """A killed rank, or one that refused its input, is a cause. One that exits with 75 or 1 may have lost another."""
    ends = [SimpleNamespace(process=SimpleNamespace(returncode=code)) for code in (75, 1, 2, -9)]
    assert [rank.process.returncode for rank in sorted(ends, key=launch.Rank.cause_order)] == [-9, 2, 1, 75]


def test_a_rank_that_ignores_sigterm_is_killed(monkeypatch):
    monkeypatch.setattr(launch, "GRACE", 0.5)
    body = (
        "import os, signal, time\n"
        "if os.environ['RANK'] == '0': time.sleep(1); raise SystemExit(3)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)\n"
    )
    began = time.monotonic()
    assert python(body, 2) == 3
    assert time.monotonic() - began < 5


def test_signals_reach_every_rank_and_exit_code_75_is_returned(tmp_path):
    """With 75, the other ranks are saving as well, and get the time to finish."""
    body = (
        "import os, pathlib, signal, sys, time\n"
        "def stop(*_): time.sleep(float(os.environ['RANK'])); "
        f"pathlib.Path({str(tmp_path)!r}, 'saved' + os.environ['RANK']).touch(); sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        f"pathlib.Path({str(tmp_path)!r}, 'ready' + os.environ['RANK']).touch()\n"
        "time.sleep(600)\n"
    )
    main = (
        "import sys\n"
        "from smoothgates.distributed.launch import Launcher, rank_environments, supervise\n"
        "ranks = rank_environments(Launcher(1, 0, ''), {}, 2, lambda: 0)\n"
        f"sys.exit(supervise([sys.executable, '-c', {body!r}], ranks))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", main], env={**os.environ})
    while len(list(tmp_path.glob("ready*"))) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    assert len(list(tmp_path.glob("saved*"))) == 2


def test_ranks_of_one_machine_meet_in_a_private_folder_that_is_deleted_afterwards(tmp_path):
    """The whole path from the command line: two processes that must connect."""
    command = [sys.executable, "-m", "smoothgates", "launch", "--processes", "2", "--", "probe"]
    variables = {**os.environ, "TMPDIR": str(tmp_path), "GLOO_SOCKET_IFNAME": "no-such-interface"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (place,) = set(re.findall(r"met at file://(\S+)/meeting", done.stdout))
    assert Path(place).parent == tmp_path
    assert not any(tmp_path.iterdir())
