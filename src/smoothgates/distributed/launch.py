"""Several processes for one stage: on one machine, or one launcher on each node of a SLURM job.

What a process must know of the others is derived inside the step that `srun` starts: a rule's shell does not know it.
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

TOGETHER = ("probe", "train")
"""Stages whose processes know of each other. Of any other, each would do the whole work."""
TRY_AGAIN = 75
PATIENCE = {TRY_AGAIN: 60.0}
"""Seconds that the other ranks get to end by themselves, by the first one's exit code: at 75 they are saving, too."""
GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL."""
PORTS = range(20000, 30000)
"""Below the ports that systems hand out by themselves."""
PORT = "SMOOTHGATES_PORT"
"""Variable that gives all launchers of a step the same port. It is drawn at random for each step, so that nobody on the
network knows it beforehand and jobs that run side by side do not collide."""


@dataclass(frozen=True)
class Place:
    """Where one launcher stands among those of its step."""

    nodes: int
    node: int
    """0 is the one that the ranks of several nodes meet on."""
    meeting: str
    """file:///path on one node, so that nothing listens there; tcp://address:port of node 0 of several."""


def run(arguments: Sequence[str], alone: Callable[[], None], nodes: int = 1, processes: int | None = None) -> int:
    """Run `python -m smoothgates ARGUMENTS` as `processes` ranks on each of `nodes` nodes; the first exit code not 0.

    `processes` is by default one for each visible GPU, or one. With several nodes and outside of a step, it starts one
    launcher a node with srun. A world of one needs no process of its own: it is `alone`, the command line's entry.
    Raises BadInput.
    """
    if not arguments:
        raise BadInput("launch: expected a stage after --, for example: launch -- probe")
    if nodes > 1 and os.environ.get("SLURM_STEP_NUM_NODES") != str(nodes):
        os.environ[PORT] = str(secrets.choice(PORTS))
        command = step_command(nodes, processes, arguments)
        os.execvp(command[0], command)
    with tempfile.TemporaryDirectory(prefix="smoothgates-") as private:
        place = place_of(os.environ, first_address, Path(private))
        ranks = rank_environments(place, os.environ, processes, installed_gpus)
        if place.nodes * len(ranks) == 1:
            os.environ.update(ranks[0])
            sys.argv[1:] = arguments
            alone()
            return 0
        if arguments[0] not in TOGETHER:
            raise BadInput(f"launch: {arguments[0]} runs in one process, got {place.nodes * len(ranks)}")
        return supervise([sys.executable, "-m", "smoothgates", *arguments], ranks)


def step_command(nodes: int, processes: int | None, arguments: Sequence[str]) -> list[str]:
    """One launcher on each node of this SLURM job. A bare srun would put them all on one node, silently."""
    wanted = [] if processes is None else ["--processes", str(processes)]
    # Without --cpu-bind=none each launcher, and all of its ranks, would be bound to a single core; without --export=ALL
    # the port would not reach them where the site or the user exports less.
    step = ["srun", "-N", str(nodes), "-n", str(nodes), "--kill-on-bad-exit=1", "--wait=60"]
    bound = ["--cpu-bind=none", "--export=ALL"]
    return [*step, *bound, sys.executable, "-m", "smoothgates", "launch", *wanted, "--", *arguments]


def place_of(environment: Mapping[str, str], address: Callable[[str], str], private: Path) -> Place:
    """Where this launcher stands, from the variables of its step; alone where there is no step of several nodes.

    `address` gives that of a list of nodes' first one; `private` is a folder that nobody else may open.
    Raises BadInput.
    """
    nodes = int(environment.get("SLURM_STEP_NUM_NODES", 1))
    if nodes == 1:
        return Place(1, 0, f"file://{private}/meeting")
    tasks = int(environment["SLURM_STEP_NUM_TASKS"])
    if tasks != nodes:
        raise BadInput(f"launch: expected one launcher a node, got {tasks} on {nodes}: srun -N {nodes} -n {nodes}")
    port = environment.get(PORT, "")
    if not (port.isdigit() and int(port) in PORTS):
        raise BadInput(f"launch: {PORT}: expected the port drawn by `launch --nodes {nodes}`, got '{port}'")
    first = address(environment["SLURM_STEP_NODELIST"])
    host = f"[{first}]" if ":" in first else first
    return Place(nodes, int(environment["SLURM_NODEID"]), f"tcp://{host}:{port}")


def first_address(nodes: str) -> str:
    """Where SLURM itself reaches the first of a list of nodes, as n[1-3]; a node's name need not be in any DNS."""
    try:
        host = _output("scontrol", "show", "hostnames", nodes).split()[0]
        facts = _output("scontrol", "show", "node", host, "--oneliner").split()
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise TryAgain(f"scontrol does not say where {nodes} begins ({error})") from None
    return next((fact.removeprefix("NodeAddr=") for fact in facts if fact.startswith("NodeAddr=")), host)


def _output(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, encoding="utf-8", timeout=60).stdout


def installed_gpus() -> int:
    """GPUs of this machine, by its driver."""
    listed = _output("nvidia-smi", "--list-gpus") if shutil.which("nvidia-smi") else ""
    return sum(line.startswith("GPU ") for line in listed.splitlines())


def rank_environments(
    place: Place, environment: Mapping[str, str], processes: int | None, installed: Callable[[], int]
) -> list[dict[str, str]]:
    """What each rank of this node is told; GPUs are dealt out evenly where there are several.

    `installed` counts them where the environment names none, as in a plain shell.
    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    gpus = list(map(str, range(installed()))) if named is None else [gpu for gpu in named.split(",") if gpu]
    local = processes if processes is not None else max(1, len(gpus))
    if local < 1 or (gpus and len(gpus) % local):
        raise BadInput(f"launch: --processes: {len(gpus)} GPUs cannot be dealt out evenly to {local} processes")
    share = len(gpus) // local
    return [
        {
            "RANK": str(place.node * local + i),
            "LOCAL_RANK": str(i),
            "WORLD_SIZE": str(place.nodes * local),
            "LOCAL_WORLD_SIZE": str(local),
            MEETING: place.meeting,
            **({"CUDA_VISIBLE_DEVICES": ",".join(gpus[i * share : (i + 1) * share])} if gpus else {}),
        }
        for i in range(local)
    ]


class Rank:
    """One process, its complaints passed on under its number, the last of them kept."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]):
        self.number = environment["RANK"]
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
        )
        self.last: deque[str] = deque(maxlen=3)
        self.reader = threading.Thread(target=self._pass_on, daemon=True)
        self.reader.start()

    def _pass_on(self) -> None:
        for line in self.process.stderr:
            if line.strip():
                self.last.append(line.strip())
            print(f"[rank {self.number}] {line}", end="", file=sys.stderr, flush=True)

    def follows(self) -> int:
        """How likely its end came of another's: least if it was killed."""
        code = self.process.returncode
        return 0 if code < 0 else {1: 2, TRY_AGAIN: 3}.get(code, 1)

    def cause(self) -> str:
        """Why it failed, in one line."""
        self.reader.join(1)
        code = self.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"rank {self.number} {how}" + (f": {' | '.join(self.last)}" if self.last else "")


def supervise(command: Sequence[str], environments: Sequence[dict[str, str]]) -> int:
    """Run a command once for each rank; the exit code of the first that fails, which ends the others within seconds.

    SIGTERM and SIGINT are passed on to every rank.
    """
    ranks = [Rank(command, environment) for environment in environments]

    def pass_on(number: int, _) -> None:
        _signal(ranks, number)

    former = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while True:
            codes = [rank.process.poll() for rank in ranks]
            if any(codes):
                # One who has lost another says 75: of several that have ended, the cause is another code.
                failed = min((rank for rank in ranks if rank.process.returncode), key=Rank.follows)
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
    """All of them, by themselves if they are on their way, by force if they must."""
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
