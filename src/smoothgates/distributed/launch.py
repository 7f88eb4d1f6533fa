"""Starts several processes for one stage, on one machine or with one launcher on each node of a SLURM job.

Each launcher derives the ranks of its processes inside the step that `srun` starts, because a rule's shell does not
know them.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smoothgates.distributed.ranks import MEETING
from smoothgates.errors import BadInput, TryAgain

DISTRIBUTED = ("probe", "train")
"""Stages that divide their work among ranks. With any other, each process would do all of the work."""
TRY_AGAIN = 75
PATIENCE = {TRY_AGAIN: 60.0}
"""Seconds to wait for the other ranks to exit, by the exit code of the first; with 75, they are saving as well."""
GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL."""
PORTS = range(20000, 30000)
"""These are below the ports that operating systems assign."""
PORT = "SMOOTHGATES_PORT"
"""Environment variable with the port for all launchers of a step. The port is drawn at random for each step, so that it
cannot be known beforehand and jobs on the same node do not collide."""


@dataclass(frozen=True)
class Launcher:
    """One launcher among those of its step."""

    nodes: int
    node: int
    """This launcher's node; the ranks meet on node 0."""
    meeting: str
    """file:///path on a single node, where no port is needed; tcp://address:port of node 0 of several."""


def run(arguments: Sequence[str], alone: Callable[[], None], nodes: int = 1, processes: int | None = None) -> int:
    """Run `python -m smoothgates ARGUMENTS` as `processes` ranks on each of `nodes` nodes.

    The default of `processes` is one for each visible GPU, or one. With several nodes and outside of a step, this
    process becomes `srun` with one launcher for each node. A single rank runs in this process, by calling `alone`, the
    entry point of the command line. Returns 0, or the exit code of the first rank that failed. Raises BadInput.
    """
    if not arguments:
        raise BadInput("launch: expected a stage after --, for example: launch -- probe")
    if nodes > 1 and os.environ.get("SLURM_STEP_NUM_NODES") != str(nodes):
        os.environ[PORT] = str(secrets.choice(PORTS))
        command = step_command(nodes, processes, arguments)
        os.execvp(command[0], command)
    with tempfile.TemporaryDirectory(prefix="smoothgates-") as private:
        launcher = find_launcher(os.environ, first_address, Path(private))
        ranks = rank_environments(launcher, os.environ, processes, installed_gpus)
        if launcher.nodes * len(ranks) == 1:
            os.environ.update(ranks[0])
            sys.argv[1:] = arguments
            alone()
            return 0
        if arguments[0] not in DISTRIBUTED:
            raise BadInput(f"launch: {arguments[0]} runs in one process, got {launcher.nodes * len(ranks)}")
        return supervise([sys.executable, "-m", "smoothgates", *arguments], ranks)


def step_command(nodes: int, processes: int | None, arguments: Sequence[str]) -> list[str]:
    """The srun command that starts one launcher on each node of this SLURM job. Plain srun starts all on one node."""
    wanted = [] if processes is None else ["--processes", str(processes)]
    # Without --cpu-bind=none, each launcher and all of its ranks would be bound to one core. Without --export=ALL, the
    # port would not reach them if the site or the user has restricted exports.
    step = ["srun", "-N", str(nodes), "-n", str(nodes), "--kill-on-bad-exit=1", "--wait=60"]
    bound = ["--cpu-bind=none", "--export=ALL"]
    return [*step, *bound, sys.executable, "-m", "smoothgates", "launch", *wanted, "--", *arguments]


def find_launcher(environment: Mapping[str, str], address: Callable[[str], str], private: Path) -> Launcher:
    """This launcher, from the variables of its step. Outside of a step of several nodes it is the only one.

    address: returns the address of the first node of a list. private: a folder that only this user can open. Raises
    BadInput.
    """
    nodes = int(environment.get("SLURM_STEP_NUM_NODES", 1))
    if nodes == 1:
        return Launcher(1, 0, f"file://{private}/meeting")
    tasks = int(environment["SLURM_STEP_NUM_TASKS"])
    if tasks != nodes:
        raise BadInput(
            f"launch: expected one launcher on each node, got {tasks} on {nodes}: use srun -N {nodes} -n {nodes}"
        )
    port = environment.get(PORT, "")
    if not (port.isdigit() and int(port) in PORTS):
        raise BadInput(f"launch: {PORT}: expected the port drawn by `launch --nodes {nodes}`, got '{port}'")
    first = address(environment["SLURM_STEP_NODELIST"])
    host = f"[{first}]" if ":" in first else first
    return Launcher(nodes, int(environment["SLURM_NODEID"]), f"tcp://{host}:{port}")


def first_address(nodes: str) -> str:
    """The address at which SLURM reaches the first of a list of nodes such as n[1-3]. It need not be in a DNS."""
    try:
        host = _output("scontrol", "show", "hostnames", nodes).split()[0]
        facts = _output("scontrol", "show", "node", host, "--oneliner").split()
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise TryAgain(f"scontrol does not name the first node of {nodes} ({error})") from None
    return next((fact.removeprefix("NodeAddr=") for fact in facts if fact.startswith("NodeAddr=")), host)


def _output(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, encoding="utf-8", timeout=60).stdout


def installed_gpus() -> int:
    """Number of GPUs that this machine's driver lists."""
    listed = _output("nvidia-smi", "--list-gpus") if shutil.which("nvidia-smi") else ""
    return sum(line.startswith("GPU ") for line in listed.splitlines())


def rank_environments(
    launcher: Launcher, environment: Mapping[str, str], processes: int | None, installed: Callable[[], int]
) -> list[dict[str, str]]:
    """Environment variables of each rank on this node. The node's GPUs are divided evenly among its ranks.

    installed: counts the GPUs; called if the environment does not name them, as in a plain shell. Raises BadInput if
    the GPUs cannot be divided evenly.
    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    gpus = list(map(str, range(installed()))) if named is None else [gpu for gpu in named.split(",") if gpu]
    local = processes if processes is not None else max(1, len(gpus))
    if local < 1 or (gpus and len(gpus) % local):
        raise BadInput(f"launch: --processes: {len(gpus)} GPUs cannot be divided evenly among {local} processes")
    share = len(gpus) // local
    return [
        {
            "RANK": str(launcher.node * local + i),
            "LOCAL_RANK": str(i),
            "WORLD_SIZE": str(launcher.nodes * local),
            "LOCAL_WORLD_SIZE": str(local),
            MEETING: launcher.meeting,
            **({"CUDA_VISIBLE_DEVICES": ",".join(gpus[i * share : (i + 1) * share])} if gpus else {}),
        }
        for i in range(local)
    ]


class Rank:
    """The process of one rank. Forwards its stderr with the rank's number, and keeps the last lines."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]):
        self.number = environment["RANK"]
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
        )
        self.last: deque[str] = deque(maxlen=3)
        self.reader = threading.Thread(target=self._forward, daemon=True)
        self.reader.start()

    def _forward(self) -> None:
        for line in self.process.stderr:
            if line.strip():
                self.last.append(line.strip())
            print(f"[rank {self.number}] {line}", end="", file=sys.stderr, flush=True)

    def cause_order(self) -> int:
        """Sorts ranks that have ended: the likeliest cause of the failure comes first. A killed rank is the likeliest,
        one that exited with 75 the least likely, because ranks exit with 75 when they lose another.
        """
        code = self.process.returncode
        return 0 if code < 0 else {1: 2, TRY_AGAIN: 3}.get(code, 1)

    def cause(self) -> str:
        """The reason for its failure, in one line."""
        self.reader.join(1)
        code = self.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        return f"rank {self.number} {how}" + (f": {' | '.join(self.last)}" if self.last else "")


def supervise(command: Sequence[str], environments: Sequence[dict[str, str]]) -> int:
    """Run a command once for each rank. If one fails, end the others within seconds and return its exit code, else 0.

    SIGTERM and SIGINT are forwarded to all ranks.
    """
    ranks = [Rank(command, environment) for environment in environments]

    def forward(number: int, _) -> None:
        _signal(ranks, number)

    former = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while True:
            codes = [rank.process.poll() for rank in ranks]
            if any(codes):
                failed = min((rank for rank in ranks if rank.process.returncode), key=Rank.cause_order)
                code = failed.process.returncode
                print(f"launch: {failed.cause()}", file=sys.stderr, flush=True)
                return code if code > 0 else 128 - code
            if None not in codes:
                return 0
            time.sleep(0.05)
    finally:
        _end(ranks, next((code for code in (rank.process.poll() for rank in ranks) if code), 1))
        for number, handler in former.items():
            signal.signal(number, handler)


def _end(ranks: Sequence[Rank], code: int) -> None:
    """Wait for the ranks to exit, then send SIGTERM, then SIGKILL. `code` is the exit code of the first."""
    for wait, number in ((PATIENCE.get(code, 0.0), signal.SIGTERM), (GRACE, signal.SIGKILL)):
        deadline = time.monotonic() + wait
        while any(rank.process.poll() is None for rank in ranks) and time.monotonic() < deadline:
            time.sleep(0.05)
        _signal(ranks, number)
    for rank in ranks:
        rank.process.wait()
        rank.reader.join(1)


def _signal(ranks: Sequence[Rank], number: int) -> None:
    for rank in ranks:
        if rank.process.poll() is None:
            rank.process.send_signal(number)
