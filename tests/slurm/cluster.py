"""A private SLURM on this host: real daemons, several nodes on one machine, every port on the loopback address.

The daemons are children of the process that starts them, and end with it however it ends.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb", "mariadb-install-db", "sacct")
DAEMON_NAMES = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmscriptd", "slurmd")
CLIENTS = ("sbatch", "srun", "scancel", "squeue", "sacct", "sacctmgr", "sinfo", "scontrol", "sshare")
ENDING_WITH_US = ("setpriv", "--pdeathsig", "TERM")
SEARCHED = f"{os.environ['PATH']}:/usr/sbin:/sbin"
MARK = "SMOOTHGATES_TEST_CLUSTER"
"""A variable in the environment of every process of a cluster. Not SLURM_…: Snakemake's job step removes those."""


def missing(accounting: bool = True) -> list[str]:
    """Programs that a cluster needs and this machine lacks."""
    needed = (*PROGRAMS, *ACCOUNTING) if accounting else PROGRAMS
    return [name for name in needed if not shutil.which(name, path=SEARCHED)]


def wait_until(true: Callable[[], object], seconds: float, what: str) -> object:
    """The first true value of `true()`; TimeoutError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := true()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.1)
    return value


class Cluster:
    """`with Cluster(folder) as cluster:` starts SLURM with nodes n1, n2, … of 8 CPUs, however many the host has.

    Its partitions are `main`, `frail` and `high`: a job in `high` pushes those in `main` back into the queue, and ends
    those in `frail`.
    """

    def __init__(self, folder: Path, accounting: bool = True, nodes: int = 3):
        self.folder, self.accounting = folder, accounting
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.first_port = free_ports(2 + nodes)
        self.daemons = ["munged", *(["mariadbd", "slurmdbd"] if accounting else []), "slurmctld", *self.nodes]
        self.running: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Cluster":
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.down()

    def up(self) -> None:
        self._configure()
        self.start("munged")
        if self.accounting:
            self._start_accounting()
        self.start("slurmctld")
        for node in self.nodes:
            self.start(node)
        wait_until(self.all_idle, 60, "the nodes to be idle")

    def down(self) -> None:
        """End the daemons, then all remaining processes of the cluster and its jobs."""
        for name in reversed(list(self.running)):
            self.stop(name, signal.SIGTERM)
        wait_until(lambda: not kill(self.processes()), 30, "everything to be gone")

    def start(self, name: str) -> None:
        """Start a daemon, or that of a node. Return when it answers."""
        home = self.folder / "home" / name
        home.mkdir(parents=True, exist_ok=True)
        with open(self.folder / f"log/{name}.out", "ab") as log:
            self.running[name] = subprocess.Popen(
                # Daemons listen at the address of the host's name. In a UTS namespace it is always a loopback address.
                [*ENDING_WITH_US, *own_hostname(), *self._command(name)],
                env=self.environment(),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: self._answers(name), 60, f"{name} to answer; see {self.folder}/log")

    def stop(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        daemon = self.running.pop(name)
        daemon.send_signal(how)
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def lose(self, node: str) -> None:
        """End the daemon and all processes of a node at once, as if its power failed."""
        self.stop(node)
        kill(self.processes(node))

    def __call__(self, *command: str, check: bool = True) -> str:
        """The output of a client command."""
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def preempt(self) -> None:
        """Submit a job of higher priority that takes all nodes for a second."""
        everything = ["--nodes", str(len(self.nodes)), "--exclusive"]
        self("sbatch", "--partition", "high", *everything, "--wrap", "sleep 1", "--output", "/dev/null")

    def squeue(self, fields: str = "%i|%T|%j|%k") -> list[list[str]]:
        """The jobs in the queue, with these fields: by default id, state, name and comment."""
        return [line.split("|") for line in self("squeue", "--noheader", "--format", fields).splitlines()]

    def all_idle(self) -> bool:
        states = self("sinfo", "--noheader", "--Node", "--format", "%N %t", check=False).split()[1::2]
        return len(states) >= len(self.nodes) and set(states) == {"idle"}

    def reset(self) -> None:
        """Cancel all jobs, and restart stopped daemons, after a test."""
        for name in self.daemons:
            if name not in self.running:
                self.start(name)
        self("scancel", "--quiet", "--partition", "main,frail,high")
        kill(self.strays())
        wait_until(self.all_idle, 60, "the nodes to be idle")

    def strays(self) -> list[int]:
        """Processes of jobs and of the programs that submit them."""
        return [pid for pid, name in self.processes().items() if not name.startswith(DAEMON_NAMES)]

    def processes(self, node: str | None = None) -> dict[int, str]:
        """Names by process id, of this cluster or of one node.

        Daemons and SLURM's steps, which overwrite their environment, are known by their folder; the rest by its mark.
        """
        marks = {f"{MARK}={self.folder}"} | ({f"SLURMD_NODENAME={node}"} if node else set())
        home = self.folder / "home" / (node or "")
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_text(errors="replace").split("\0")
                if marks <= set(environment) or (process / "cwd").readlink().is_relative_to(home):
                    found[int(process.name)] = (process / "comm").read_text().strip()
            except OSError:
                continue  # it has ended, or is not ours
        return found

    def environment(self) -> dict[str, str]:
        """The environment of programs that use this cluster."""
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SBATCH", "SRUN"))},
            MARK: str(self.folder),
            "SLURM_CONF": str(self.folder / "etc/slurm.conf"),
            "MYSQL_UNIX_PORT": str(self.folder / "run/db"),  # slurmdbd has no other setting for its database's socket
            "PATH": f"{self.folder}/bin:{SEARCHED}",
        }

    def _command(self, name: str) -> list[str]:
        run, munge, data = (self.folder / part for part in ("run", "munge", "data"))
        if name == "munged":
            files = {"key-file": munge / "key", "socket": run / "munge", "pid-file": run / "munged.pid"}
            files |= {"log-file": self.folder / "log/munged.log", "seed-file": munge / "seed"}
            return ["munged", "--foreground", "--force", *(f"--{key}={path}" for key, path in files.items())]
        if name == "mariadbd":
            sizes = ["--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M", "--innodb-lock-wait-timeout=900"]
            own = [f"--user={user()}", f"--datadir={data}", f"--socket={run}/db", f"--pid-file={run}/db.pid"]
            return ["mariadbd", "--no-defaults", "--skip-networking", *own, *sizes]
        return [name, "-D"] if name in ("slurmdbd", "slurmctld") else ["slurmd", "-D", "-N", name]

    def _answers(self, name: str) -> bool:
        ended = self.running[name].poll()
        assert ended is None, f"{name} ended with {ended}; see {self.folder}/log/{name}.out"
        health_check = {
            "munged": ["munge", "-S", f"{self.folder}/run/munge", "-n"],
            "mariadbd": [*self._mariadb(), "-e", "select 1"],
            "slurmdbd": ["sacctmgr", "-n", "list", "cluster"],
            "slurmctld": ["scontrol", "ping"],
        }.get(name, ["true"])
        done = subprocess.run(health_check, env=self.environment(), capture_output=True, text=True)
        return done.returncode == 0 and "DOWN" not in done.stdout

    def _mariadb(self) -> list[str]:
        return ["mariadb", "--no-defaults", "-u", user(), "-S", f"{self.folder}/run/db"]

    def _start_accounting(self) -> None:
        owner = ["--auth-root-authentication-method=socket", f"--auth-root-socket-user={user()}", f"--user={user()}"]
        self("mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db", *owner)
        self.start("mariadbd")
        self(*self._mariadb(), "-e", "create database slurm; create user slurm@localhost identified by 'slurm';"
             " grant all on slurm.* to slurm@localhost")  # fmt: skip
        self.start("slurmdbd")
        self("sacctmgr", "-i", "add", "cluster", "test")
        self("sacctmgr", "-i", "add", "account", "test", "cluster=test")
        self("sacctmgr", "-i", "add", "user", user(), "account=test", "cluster=test")

    def _configure(self) -> None:
        for part in ("etc", "run", "log", "state", "spool", "munge", "bin"):
            (self.folder / part).mkdir(parents=True)
        (self.folder / "munge").chmod(0o700)
        private(self.folder / "munge/key", os.urandom(1024))
        facts = {"folder": self.folder, "user": user(), "port": self.first_port, "dbd_port": self.first_port + 1}
        here = Path(__file__).parent
        conf = (here / "slurm.conf").read_text().format(**facts)
        if self.accounting:
            conf += (here / "accounting.conf").read_text().format(**facts)
            private(self.folder / "etc/slurmdbd.conf", (here / "slurmdbd.conf").read_text().format(**facts).encode())
        else:
            conf += "AccountingStorageType=accounting_storage/none\n"
        for i, node in enumerate(self.nodes):
            conf += f"NodeName={node} NodeAddr=127.0.0.1 Port={self.first_port + 2 + i} CPUs=8 RealMemory=16000\n"
        conf += (here / "partitions.conf").read_text()
        (self.folder / "etc/slurm.conf").write_text(conf)
        for name in CLIENTS:  # which know the cluster where SLURM_CONF is dropped, too
            wrapper = self.folder / "bin" / name
            real = shutil.which(name, path=SEARCHED)
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF="{self.folder}/etc/slurm.conf" exec "{real}" "$@"\n')
            wrapper.chmod(0o755)


def user() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def own_hostname() -> list[str]:
    name = socket.gethostname()
    try:
        if socket.gethostbyname(name).startswith("127."):
            return []
    except OSError:
        pass
    return ["unshare", "--uts", "sh", "-c", 'hostname localhost && exec "$@"', "sh"]


def free_ports(count: int) -> int:
    """First port of a free block, below those that outgoing connections take."""

    def free(port: int) -> bool:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                return False
        return True

    blocks = range(28000, 32000, 20)
    return next(first for first in blocks if all(free(first + i) for i in range(count)))


def kill(processes: Iterable[int]) -> list[int]:
    """Kill processes, and return the ones that existed."""
    for pid in (found := list(processes)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found
