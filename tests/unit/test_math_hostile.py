"""Any text gets a verdict within 2 seconds; no verdict is lost, memory is limited, and the next verdict is right."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from smoothgates.tasks.math.rewards import REWARDS
from smoothgates.tasks.math.verifier import equality, limits
from smoothgates.tasks.math.verifier.equality import POOL, equal
from smoothgates.tasks.task import Example

GOLD = "42"


def matrix(n: int) -> str:
    return r"\begin{pmatrix}" + r"\\".join(["&".join("1" * n)] * n) + r"\end{pmatrix}"


ANSWERS = {
    "power towers": "9^9^9^9",
    "a power of a power": "10^{10^{10}}",
    "a large power": "3^{10^8}",
    "a factorial": "(10^6)!",
    "factorials of factorials": "((((9!)!)!)!)!",
    "10k digits": "7" * 10_000,
    "100k digits": "7" * 100_000,
    "100k characters": "x+1 " * 25_000,
    "10k letters": "abcdefghij" * 1000,
    "10k nested braces": "{" * 10_000 + "1" + "}" * 10_000,
    "5k nested parentheses": "(" * 5000 + "1" + ")" * 5000,
    "30 nested fractions": r"\frac{1}{" * 30 + "2" + "}" * 30,
    "60 nested sines": r"\sin(" * 60 + "1" + ")" * 60,
    "3000 elements": r"\{" + ",".join(map(str, range(3000))) + r"\}",
    "a 40 by 40 matrix": matrix(40),
    "5000 terms": "+".join("1" * 5000),
    "400 equations": "=".join("x" * 400),
    "sums of sums": r"\sum_{k=1}^{900}\sum_{j=1}^{900}\frac{1}{k^2+j}",
    "a list of roots": ",".join(rf"\sqrt{{{i}+\sqrt{{2}}}}" for i in range(250)),
    "an endless sum": r"\sum_{k=1}^{10^9} \frac{1}{k^2}",
    "an integral without a form": r"\int_0^1 \sin(x^{x^x}) e^{\tan x} dx",
    "a binomial": r"\binom{10^9}{5 \cdot 10^8}",
    "a large polynomial": "(x+1)^{5000}",
    "a hard equation": r"x^{17}+3x^{13}-7x^5+x=2",
    "a float out of range": "1e999999999",
    "arabic digits": "\u0664\u0662",
    "null bytes": "\x00" * 5000,
    "digits around a null byte": "4\x002",
    "only lone surrogates": "\ud800" * 50 + "\udfff",
}
TEXTS = {
    "10k openings of boxes": r"\boxed{" * 10_000,
    "10k nested boxes": r"\boxed{" * 10_000 + "41" + "}" * 10_000,
    "10k boxes": r"\boxed{1}" * 10_000,
    "10k boxes in a list": r"\boxed{1} and " * 10_000,
    "a flood of openings": "<answer>" * 20_000,
    "a flood of blocks": "<answer>41</answer>" * 5000,
    "a flood of thoughts": "<think>" * 20_000 + "</think>" * 20_000,
    "a flood of dollars": "$" * 100_000,
    "a flood of formulas": r"\(" * 50_000,
    "a flood of announcements": "the answer is " * 7000,
    "a flood of JSON": '"answer": "' + '\\"' * 50_000,
    "a flood of numbers": "1, " * 33_000,
    "a flood of sums": "1+" * 50_000,
    "sums of money": "$5 for them " * 9000,
    "spaces": "41" + " " * 100_000,
    "a regex bomb": "a" * 50_000 + "!" + " " * 50_000,
    "special tokens cut short": "<|" * 40_000,
}


def verdicts(completions: list[str], reward="answer"):
    return REWARDS[reward]([(text, Example(str(i), "", (GOLD,)), False) for i, text in enumerate(completions)])


def processes() -> dict[int, int]:
    """The processes of the workers, templates and judges, with their peak memory in MiB, but for those that died."""
    found = {}
    for worker in list(POOL.workers.values()):
        with suppress(psutil.NoSuchProcess):
            template = psutil.Process(worker.process.pid)
            for process in (template, *template.children()):
                with suppress(psutil.NoSuchProcess):
                    found[process.pid] = peak_mib(process)
    return found


def peak_mib(process: psutil.Process) -> int:
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except ProcessLookupError:
        raise psutil.NoSuchProcess(process.pid) from None  # it ended while its file was read
    except FileNotFoundError:  # macOS does not report the peak of other processes
        return process.memory_info().rss >> 20
    return next((int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM")), 0)


def judges() -> list[int]:
    return sorted(set(processes()) - {worker.process.pid for worker in POOL.workers.values()})


@pytest.fixture(autouse=True)
def _pool_is_right_and_small_afterwards():
    assert equal([(("x+1",), "1+x"), (("y+1",), "y+2")] * 3) == ["correct", "wrong"] * 3
    yield
    assert max(processes().values()) <= 512
    assert equal([(("x+1",), "1+x"), (("y+1",), "y+2")] * 3) == ["correct", "wrong"] * 3


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_answer_is_judged_within_two_seconds(name):
    began = time.monotonic()
    (verdict,) = verdicts([rf"\boxed{{{ANSWERS[name]}}}"])
    assert time.monotonic() - began < 2
    assert verdict.reward == 0
    json.dumps(verdict.extracted, ensure_ascii=False).encode("utf-8")  # or no file could take it


@pytest.mark.parametrize("reward", REWARDS)
def test_hostile_texts_are_read_in_linear_time(reward):
    """In the trainer's process, which the judge's time limits do not cover."""
    for name, text in TEXTS.items():
        began = time.process_time()
        (verdict,) = verdicts([text], reward)
        assert time.process_time() - began < 1, name
        assert verdict.components["answer"] == 0, name


def test_the_clocks_hold_without_the_filter(monkeypatch):
    monkeypatch.setattr(equality, "too_costly", lambda answer: False)
    for name in ("a large power", "60 nested sines", "3000 elements", "100k digits"):
        began = time.monotonic()
        (verdict,) = verdicts([rf"\boxed{{{ANSWERS[name]}}}"])
        assert time.monotonic() - began < 2, name
        assert verdict.reason != "correct"
        assert max(processes().values()) <= 512


def test_what_takes_too_long_is_a_timeout_and_not_wrong():
    costly = [ANSWERS[name] for name in ("power towers", "10k digits", "sums of sums", "a list of roots")]
    assert {v.reason for v in verdicts([rf"\boxed{{{answer}}}" for answer in costly])} == {"timeout"}


def test_no_verdict_is_lost_or_moved_in_a_mixed_batch():
    costly = ANSWERS["sums of sums"]
    texts = [rf"\boxed{{{costly if i % 20 == 7 else f'{42 - i % 2}+0'}}}" for i in range(80)]
    expected = ["timeout" if i % 20 == 7 else "wrong" if i % 2 else "correct" for i in range(80)]
    assert [v.reason for v in verdicts(texts)] == expected


@pytest.mark.parametrize("whom", ["judge", "judge stopped", "whole worker"])
def test_a_worker_that_dies_costs_one_verdict_and_is_replaced(whom):
    """Killed, as by the kernel for memory; or stopped, so that the kernel's alarm waits, too."""

    def strike() -> None:
        time.sleep(0.3)
        for worker in list(POOL.workers.values()):
            if whom == "whole worker":
                with suppress(ProcessLookupError):  # it was being replaced
                    os.killpg(worker.process.pid, signal.SIGKILL)
        for judge in judges():
            with suppress(ProcessLookupError):  # it went with its worker
                os.kill(judge, signal.SIGSTOP if whom == "judge stopped" else signal.SIGKILL)

    striker = threading.Thread(target=strike)
    began = time.monotonic()
    striker.start()
    texts = [rf"\boxed{{{ANSWERS['sums of sums']}}}"] * 8
    found = [v.reason for v in verdicts([*texts, *[r"\boxed{41+1}"] * 20])]
    striker.join()
    assert found == ["timeout"] * 8 + ["correct"] * 20
    assert time.monotonic() - began < 12


def test_what_a_cluster_sends_to_every_process_changes_no_verdict():
    verdicts([r"\boxed{41+1}"] * 4)
    for worker in POOL.workers.values():
        os.killpg(worker.process.pid, signal.SIGTERM)
    before = {worker.process.pid for worker in POOL.workers.values()}
    assert [v.reason for v in verdicts([r"\boxed{40+2}"] * 20)] == ["correct"] * 20
    assert {worker.process.pid for worker in POOL.workers.values()} == before


def test_a_thread_judges_hostile_answers_while_the_main_thread_waits():
    found = []
    thread = threading.Thread(target=lambda: found.extend(verdicts([r"\boxed{9^9^9^9}", r"\boxed{41+1}"])))
    thread.start()
    thread.join(10)
    assert [v.reason for v in found] == ["timeout", "correct"]


def test_a_trainers_alarm_and_handlers_are_left_alone():
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        verdicts([rf"\boxed{{{ANSWERS['sums of sums']}}}"] * 4 * POOL.size)
        assert rang == [True]
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_workers_die_with_the_trainer_even_in_the_middle_of_a_judgement(end):
    code = (
        "import sys, time, threading; from smoothgates.tasks.math.verifier.equality import POOL, equal\n"
        "equal([(('x+1',), '1+x')] * 4)\n"
        "print(*[worker.process.pid for worker in POOL.workers.values()], flush=True)\n"
        "equal([(('42',), sys.argv[1])] * 20) if len(sys.argv) > 1 else None\n"
    )
    hostile = [ANSWERS["sums of sums"]] if end else []
    trainer = subprocess.Popen([sys.executable, "-c", code, *hostile], stdout=subprocess.PIPE, text=True)
    templates = [int(pid) for pid in trainer.stdout.readline().split()]
    assert templates
    if end:
        time.sleep(0.2)
        trainer.send_signal(end)
    trainer.wait(10)
    trainer.stdout.close()
    deadline = time.monotonic() + 5
    while alive := [pid for pid in templates if _alive_group(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def _alive_group(pid: int) -> bool:
    """Whether a process of a worker, template or judge, still runs. Zombies do not count."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def test_a_worker_that_has_grown_is_replaced_between_two_answers():
    code = "from smoothgates.tasks.math.verifier import worker; worker.RECYCLE_BYTES = 1; worker.main()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as template:
        assert template.stdout.readline() == "ready\n"
        time.sleep(0.2)
        seen = set(_children(template.pid))
        for i in range(4):
            template.stdin.write(json.dumps({"id": i, "golds": ["x+1"], "answer": f"{i}+x"}) + "\n")
            template.stdin.flush()
            assert json.loads(template.stdout.readline()) == {"id": i, "reason": "correct" if i == 1 else "wrong"}
            time.sleep(0.2)
            seen.update(_children(template.pid))
        template.stdin.close()
    assert len(seen) == 5


def _children(parent: int) -> list[int]:
    return [child.pid for child in psutil.Process(parent).children()]


MAC = """
import os, resource, sys, time
import psutil
sys.platform = "darwin"
del os.sched_getaffinity, resource.RLIMIT_AS
from smoothgates.tasks.math.verifier import worker
real = worker.judge
def judge(golds, answer):
    held = []
    while answer == "x+hog":
        held.append(b"x" * (1 << 24))
        time.sleep(0.005)
    return real(golds, answer)
worker.judge = judge
worker.main()
"""


def test_where_the_kernel_bounds_no_memory_a_greedy_judge_is_killed_and_replaced():
    """As on macOS: without RLIMIT_AS, the template checks the memory."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", MAC], **pipes) as template:
        assert template.stdout.readline() == "ready\n"
        for i, (answer, reply) in enumerate(
            [("1+x", (0, "correct")), ("x+hog", (None, "timeout")), ("1+x", (2, "correct"))]
        ):
            template.stdin.write(json.dumps({"id": i, "golds": ["x+1"], "answer": answer}) + "\n")
            template.stdin.flush()
            assert json.loads(template.stdout.readline()) == dict(zip(("id", "reason"), reply))
        template.stdin.close()


def test_a_gold_of_any_length_is_compared():
    golds = ("42" * 500_000, "42")
    assert equal([(golds, "41+1"), (golds, "42" * 500_000), (golds[:1], "41+1")]) == ["correct", "correct", "wrong"]


def test_ordinary_answers_are_judged_right_without_any_shortcut(monkeypatch):
    monkeypatch.setattr(equality, "without_worker", lambda golds, answer: None)
    path = Path("../shared/data/math/rollouts_gsm8k_openai.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    # In brackets, so that the worker does not see equal texts either.
    batch = [(row["response"], Example(row["id"], "", (f"({row['gold']})",)), False) for row in rows]
    found = REWARDS["answer"](batch)
    assert [v.reward == 1 for v in found] == [row["label"] for row in rows]


def test_the_filter_lets_every_gold_pass():
    for path in (path for path in Path("../shared/data/math").iterdir() if path.suffix == ".jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "answer" in row and "question" in row:
                assert not limits.too_costly(row["answer"]), row["id"]
