"""Hands a stage over to the server of its study, and ends as the stage ends. Imports little: every job runs it.

Without a server, or if it refuses or is killed, the process runs the stage itself.
"""

import os
import signal
import socket
import sys
from contextlib import suppress

VARIABLE = "SMOOTHGATES_PREFORK"
"""The environment variable with the name of the server's socket."""
STAGES = ("policy", "train", "evaluate", "check-gate")
"""Those that many jobs run and that import torch."""
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGCONT)


def hand_over() -> None:
    """Let the server run this command, and end with its exit code or by its signal. Returns if that fails."""
    name = os.environ.pop(VARIABLE, None)
    if name is None or sys.orig_argv[1:3] != ["-m", "smoothgates"] or sys.argv[1:2] not in [[one] for one in STAGES]:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        try:
            server.connect(f"\0{name}")
            code = ask(server) if user_of(server) == os.getuid() else None
        except OSError:
            return
    if code is None:
        return
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def ask(server: socket.socket) -> int | None:
    """Send the server all that makes up this process. Returns the exit code, negative for a signal; None: it refused.

    Signals are forwarded meanwhile. Raises OSError.
    """
    folder = os.getcwd()  # noqa: PTH109  (importing pathlib takes as long as all of this)
    stage = [sys.executable, folder, str(len(sys.argv)), *sys.argv]
    request = "\0".join([*stage, *(f"{name}={value}" for name, value in os.environ.items())])

    def forward(number: int, _: object = None) -> None:
        with suppress(OSError):  # the server was killed, and `recv` below returns nothing
            server.send(bytes([number]))

    def suspend(number: int, _: object) -> None:
        forward(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)

    handlers = dict.fromkeys(FORWARDED, forward) | {signal.SIGTSTP: suspend}
    before = {number: signal.getsignal(number) for number in handlers}
    for number in handlers:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, handlers[number])
    try:
        socket.send_fds(server, [os.fsencode(request)], [0, 1, 2])
        answer = server.recv(16)
        return int(answer) if answer else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def user_of(peer: socket.socket) -> int:
    """User id of the process at the other end: any user may give a socket the name of one that is gone."""
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # pid, uid, gid
    return int.from_bytes(credentials[4:8], sys.byteorder)
