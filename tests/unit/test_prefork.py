"""The server of a study: a stage that is its fork behaves as the process that asked for it would.

The package is a copy with stages that say what they see. `test_signals.py` and the studies test real stages.
"""

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smoothgates.prefork import server
from smoothgates.prefork.client import VARIABLE
from smoothgates.prefork.owner import serving

SOURCE = Path(__file__).parents[2] / "src/smoothgates"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has pidfds and nameless sockets")

STAGE = """
import os, pathlib, signal, sys, time

def main():
    here = pathlib.Path("{folder}")
    (here / "pid").write_text(f"{{os.getpid()}} {{os.getppid()}}")
    kind = sys.argv[2]
    if kind == "show":
        names = sorted(name for name in os.environ if name != "LC_CTYPE")
        spec = sys.modules["__main__"].__spec__.name
        print(sys.argv, sys.orig_argv, sys.path, os.getcwd(), names, __name__, spec, sys.executable, sys.flags)
        print(sys.stdin.read(), os.environ["OWN_WORD"], os.isatty(1), sys.stdout.encoding, signal.getsignal(15))
        print("to stderr", file=sys.stderr)
    elif kind == "exit":
        sys.exit(int(sys.argv[3]))
    elif kind == "raise":
        raise KeyboardInterrupt if sys.argv[3] == "interrupt" else RuntimeError("a fault")
    elif kind == "kill":
        os.kill(os.getpid(), int(sys.argv[3]))
    elif kind == "wait":
        def stop(number, frame):
            print("stopped by", signal.Signals(number).name, flush=True)
            sys.exit(75)
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        (here / "waits").touch()
        while not (here / "go").exists():
            time.sleep(0.01)
        print("went on")
"""


class Jobs:
    """A package whose stages say what they see, and a server for it."""

    def __init__(self, folder: Path, libraries: str = "()"):
        self.folder, package = folder, folder / "src/smoothgates"
        shutil.copytree(SOURCE / "prefork", package / "prefork")
        for name in ("__init__.py", "__main__.py"):
            shutil.copy(SOURCE / name, package / name)
        program = package / "prefork/server.py"
        before, main, after = program.read_text().partition("\nif __name__")
        program.write_text(f"{before}\nLIBRARIES = {libraries}{main}{after}")
        self.stage = package / "cli.py"
        self.stage.write_text(STAGE.format(folder=folder))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "src"), "OWN_WORD": "é"}
        self.name = ""

    def start(self, *words: str, forked: bool = True, **changes: str) -> subprocess.Popen:
        command = [shutil.which("python", path=self.environment["PATH"]), "-m", "smoothgates", "train", *words]
        name = {VARIABLE: self.name} if forked else {}
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(command, cwd=self.folder, env=self.environment | name | changes, text=True, **streams)

    def run(self, *words: str, **how) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        with self.start(*words, **how) as process:
            out, err = process.communicate("from stdin\n")
        return process.returncode, out, err

    def start_waiting(self) -> subprocess.Popen:
        process = self.start("wait")
        wait_until((self.folder / "waits").exists)
        return process

    @property
    def pid(self) -> int:
        """Process id of the last stage."""
        return int((self.folder / "pid").read_text().split()[0])

    @property
    def server(self) -> int:
        """Process id of its parent."""
        return int((self.folder / "pid").read_text().split()[1])


def wait_until(holds) -> None:
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.02)
    raise TimeoutError


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def jobs(tmp_path):
    made = Jobs(tmp_path)
    owner = serving(made.environment, made.folder / "src/smoothgates/prefork/server.py")
    with owner:
        made.name = os.environ[VARIABLE]
        yield made


def test_a_fork_is_what_the_process_would_be(jobs):
    plain = jobs.run("show", "two words", "", "é", forked=False)
    assert jobs.server == os.getpid()
    assert jobs.run("show", "two words", "", "é") == plain
    assert plain[0] == 0
    assert "from stdin" in plain[1]
    assert jobs.server != os.getpid(), "it was a fork"


@pytest.mark.parametrize("words", [("exit", "0"), ("exit", "1"), ("exit", "2"), ("exit", "75"), ("raise", "interrupt")])
def test_it_ends_in_the_same_way(words, jobs):
    code, _, err = jobs.run(*words)
    assert jobs.server != os.getpid()
    assert code == jobs.run(*words, forked=False)[0]
    assert ("KeyboardInterrupt" in err) == (words[0] == "raise")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_death_by_a_signal_is_the_same_death(number, jobs):
    assert jobs.run("kill", str(int(number)))[0] == -number


def test_an_edited_stage_is_run_as_edited(jobs):
    assert jobs.run("exit", "0") == (0, "", "")
    text = jobs.stage.read_text()
    jobs.stage.write_text(text.replace("sys.exit(int", "print('edited'); sys.exit(2 + int"))
    assert jobs.run("exit", "0") == (2, "edited\n", "")
    assert jobs.server != os.getpid()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_stage(number, jobs):
    process = jobs.start_waiting()
    process.send_signal(number)
    out, _ = process.communicate()
    assert (process.returncode, out) == (75, f"stopped by {number.name}\n")


def test_a_suspended_job_goes_on_when_it_is_continued(jobs):
    process = jobs.start_waiting()
    process.send_signal(signal.SIGTSTP)
    wait_until(lambda: Path(f"/proc/{jobs.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    process.send_signal(signal.SIGCONT)
    (jobs.folder / "go").touch()
    assert process.communicate()[0] == "went on\n"


def test_a_killed_client_takes_its_stage_with_it_and_no_other(jobs):
    first = jobs.start_waiting()
    stage = jobs.pid
    (jobs.folder / "waits").unlink()
    second = jobs.start_waiting()
    first.kill()
    wait_until(lambda: gone(stage))
    (jobs.folder / "go").touch()
    assert second.communicate()[0] == "went on\n"


def test_without_its_server_a_job_runs_by_itself(jobs):
    process = jobs.start_waiting()
    stage = jobs.pid
    (jobs.folder / "go").touch()
    os.kill(stage, signal.SIGSTOP)  # or it would end
    os.kill(jobs.server, signal.SIGKILL)
    assert process.communicate()[0] == "went on\n"
    wait_until(lambda: gone(stage))
    assert jobs.pid == process.pid
    assert jobs.run("exit", "75")[0] == 75
    assert jobs.server == os.getpid()


def test_a_job_in_another_environment_runs_by_itself(jobs):
    for changes in ({"OMP_NUM_THREADS": "7"}, {"PYTHONPATH": f"{jobs.folder}/src:{jobs.folder}"}, {"NEW": ""}):
        assert jobs.run("exit", "3", **changes)[0] == 3
        assert jobs.server == os.getpid()
    assert jobs.run("exit", "3", TMPDIR=str(jobs.folder))[0] == 3
    assert jobs.server != os.getpid()


def test_a_server_with_threads_refuses(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    made = Jobs(tmp_path / "jobs", "('threaded',)")
    shutil.copy(tmp_path / "src/threaded.py", made.folder / "src")
    with serving(made.environment, made.folder / "src/smoothgates/prefork/server.py"):
        made.name = os.environ[VARIABLE]
        assert made.run("exit", "3")[0] == 3
        assert made.server == os.getpid()


def test_a_server_whose_libraries_are_no_longer_installed_refuses(monkeypatch):
    here, there = socket.socketpair()
    request = server.Request(sys.executable, "/", [], dict(os.environ), [])
    monkeypatch.setattr(server, "LIBRARIES", ())
    monkeypatch.setattr(server, "threads", lambda: 1)
    with here, there:
        made = server.Server(here, 0)
        assert made.serves(there, request)
        monkeypatch.setattr(server.site, "getsitepackages", lambda: ["/"])
        assert not made.serves(there, request)
    gc.unfreeze()


def test_the_server_ends_after_its_owner_and_its_last_stage(tmp_path):
    made = Jobs(tmp_path)
    with serving(made.environment, made.folder / "src/smoothgates/prefork/server.py"):
        made.name = os.environ[VARIABLE]
        process = made.start_waiting()
    parent = made.server
    assert VARIABLE not in os.environ
    assert made.run("exit", "3")[0] == 3
    assert made.server == os.getpid(), "it accepts no more"
    assert not gone(parent)
    (made.folder / "go").touch()
    assert process.communicate()[0] == "went on\n"
    wait_until(lambda: gone(parent))
