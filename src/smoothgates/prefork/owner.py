"""Starts and ends the server of a study."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from smoothgates.prefork.client import VARIABLE

PROGRAM = Path(__file__).with_name("server.py")


@contextmanager
def serving(environment: Mapping[str, str], program: Path = PROGRAM) -> Iterator[None]:
    """Jobs that start within this block, in this environment, find a server.

    The server imports nothing before the first job. Its socket has a name, which the kernel gives, but no file.
    """
    python = shutil.which("python", path=environment.get("PATH"))
    if python is None or sys.platform != "linux":  # elsewhere there are no pidfds and no sockets without a file
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("")
        listener.listen(128)
        name = listener.getsockname()[1:].decode()
        process = subprocess.Popen(
            [python, program, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a signal from the terminal reaches the clients, which forward it
            env=dict(environment),
        )
    os.environ[VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        process.stdin.close()
