"""The server: a process that imports libraries, and forks for each stage that a client hands over.

It is run as a file and imports no module of the package, so that each stage runs the code that is on disk. What the
stages share is the libraries, and Python's hash seed. It ends when its owner has ended and no stage is left.
"""

import ctypes
import gc
import importlib
import os
import runpy
import select
import signal
import site
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = ("torch", "tokenizers", "safetensors.torch", "pyarrow.parquet", "jinja2.sandbox", "yaml")
LIBRARIES += ("pydantic.json_schema", "typer._adapters")
"""What the stages import, also when they run."""
OWN = {"_", "SHLVL", "PWD", "OLDPWD", "TMPDIR", "TMP", "TEMP", "TEMPDIR"}
"""Environment variables that may differ from the server's: no library reads them when it is imported."""
MOST = 1 << 20
"""Largest request, in bytes."""
DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG, see prctl(2)."""


@dataclass
class Request:
    """All that makes up the process of a client."""

    executable: str
    folder: str
    arguments: list[str]
    environment: dict[str, str]
    streams: list[int]
    """Descriptors of its stdin, stdout and stderr."""


class Server:
    """It waits for clients, their signals, and the ends of their stages. If it fails, its stages and it are killed."""

    def __init__(self, listener: socket.socket, owner: int):
        """`owner`: a pipe that is closed when the owner ends."""
        self.listener, self.owner = listener, owner
        self.pid, self.environment, self.libraries = os.getpid(), dict(os.environ), None
        self.clients: dict[int, tuple[socket.socket, int]] = {}
        """The connection and the process id of each stage, by its pidfd."""

    def run(self) -> Request | None:
        """Serve until the owner has ended. Returns a request in a fork that is to run it, None in the server."""
        owned = True
        while owned or self.clients:
            heard = {connection.fileno(): pidfd for pidfd, (connection, _) in self.clients.items()}
            # The listener comes after them: a new connection may get the number of one that is closed.
            wanted = [*self.clients, *heard, *([self.listener.fileno(), self.owner] if owned else [])]
            for ready in wait_for(wanted):
                if ready == self.owner:
                    owned = False
                    self.listener.close()
                elif ready in self.clients:
                    self.end(ready)
                elif heard.get(ready) in self.clients:
                    self.hear(heard[ready])
                elif owned and ready == self.listener.fileno() and (request := self.accept()):
                    return request
        return None

    def accept(self) -> Request | None:
        """Fork for a client. Returns the request in the fork. A client whose connection is closed runs by itself."""
        connection, _ = self.listener.accept()
        connection.settimeout(10)
        try:
            request = receive(connection)
        except (OSError, ValueError):
            connection.close()
            return None
        if not self.serves(connection, request):
            connection.close()
        elif child := os.fork():
            self.clients[os.pidfd_open(child)] = connection, child
        else:
            connection.close()
            self.become(request)
            return request
        for stream in request.streams:
            os.close(stream)
        return None

    def serves(self, connection: socket.socket, request: Request) -> bool:
        """Whether a fork is what the client would be: same user, interpreter, environment, and libraries on disk."""
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if int.from_bytes(credentials[4:8], sys.byteorder) != os.getuid() or request.executable != sys.executable:
            return False
        if without(request.environment) != without(self.environment):
            return False
        if self.libraries is None:
            import_libraries()
            self.libraries = state_of_libraries()
        return self.libraries == state_of_libraries() and threads() == 1

    def hear(self, pidfd: int) -> None:
        """Pass a client's signal on. A client that has been killed takes its stage with it."""
        connection, _ = self.clients[pidfd]
        try:
            number = connection.recv(1)
        except OSError:
            number = b""
        signal.pidfd_send_signal(pidfd, number[0] if number else signal.SIGKILL)
        if not number:
            self.end(pidfd)

    def end(self, pidfd: int) -> None:
        """Tell a client how its stage has ended."""
        connection, child = self.clients.pop(pidfd)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(pidfd)
        with suppress(OSError):  # the client was killed
            connection.send(str(code).encode())
        connection.close()

    def become(self, request: Request) -> None:
        """Turn this fork into what the client would be without a server. It dies with the server."""
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != self.pid:
            os._exit(1)
        os.setsid()  # a signal to its group reaches neither the server nor other stages
        self.listener.close()
        for pidfd, (other, _) in self.clients.items():
            os.close(pidfd)
            other.close()
        for number, stream in enumerate(request.streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(request.folder)
        for name in OWN:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in request.environment.items() if name in OWN})
        tempfile.tempdir = None
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()
        sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
        sys.argv[:] = request.arguments
        sys.orig_argv[:] = [sys.executable, "-m", "smoothgates", *request.arguments[1:]]
        if not sys.flags.safe_path:
            sys.path.insert(0, request.folder)
        importlib.invalidate_caches()


def receive(connection: socket.socket) -> Request:
    """The request of a client. Raises OSError or ValueError if there is none."""
    data, streams, *_ = socket.recv_fds(connection, MOST, 3)
    executable, folder, count, *words = os.fsdecode(data).split("\0")
    arguments, variables = words[: int(count)], words[int(count) :]
    environment = dict(variable.split("=", 1) for variable in variables)
    return Request(executable, folder, arguments, environment, streams)


def without(environment: dict[str, str]) -> dict[str, str]:
    """The variables that must be equal."""
    return {name: value for name, value in environment.items() if name not in OWN}


def import_libraries() -> None:
    """Import what the stages import, such that this process still has one thread."""
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # pyarrow's allocator has one otherwise
    for name in LIBRARIES:
        importlib.import_module(name)
    del os.environ["JE_ARROW_MALLOC_CONF"]
    gc.collect()
    gc.freeze()  # a collection in a fork would write to every object, and copy its page


def state_of_libraries() -> list[int]:
    """What changes when a package is installed."""
    return [folder.stat().st_mtime_ns for folder in map(Path, site.getsitepackages()) if folder.is_dir()]


def threads() -> int:
    """The number of threads of this process. A fork would have one of them."""
    return len(list(Path("/proc/self/task").iterdir()))


def wait_for(descriptors: list[int]) -> list[int]:
    """Those that can be read, or whose other end is closed, in this order."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll()]


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the folder of this file
    if Server(socket.socket(fileno=int(sys.argv[1])), owner=0).run():
        runpy.run_module("smoothgates", run_name="__main__", alter_sys=True)
