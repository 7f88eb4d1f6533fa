"""Small things that many tests share. What needs torch is imported where it is needed: see without_torch.py."""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.study.loader import load_study
from smoothgates.tasks import load_task

PUBLIC_DATA = Path("../shared/data")
"""Rows of public benchmarks that many tests are held to. They are not ours to pass on, so they stand beside it."""


def pytest_collection_finish():
    """The last bits of a sum depend on how many threads add it up."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that needs the public data is skipped where they are missing; in CI it fails."""
    report = yield
    missing = call.excinfo and call.excinfo.errisinstance((FileNotFoundError, BadInput)) and not PUBLIC_DATA.exists()
    if missing and "shared/data" in str(call.excinfo.value) and "CI" not in os.environ:
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, "needs the public data")
    return report


def pytest_terminal_summary(terminalreporter):
    skipped = [r for r in terminalreporter.getreports("skipped") if "needs the public data" in str(r.longrepr)]
    if skipped:
        terminalreporter.line(f"{len(skipped)} tests did not run: {PUBLIC_DATA} is not there.")


@pytest.fixture
def with_torch():
    """For tests of what is installed: they need torch, though they do not import it."""
    import torch  # noqa: F401


@pytest.fixture(scope="session")
def word_problems():
    """The laptop's math."""
    return load_task("math").generators["word_problems"]


@pytest.fixture(scope="session")
def problems(word_problems):
    """A few hundred of them."""
    stream = word_problems.generate(python_stream(0, "problems"))
    return [next(stream) for _ in range(400)]


@pytest.fixture(scope="session")
def tokenizer(problems):
    return build_tokenizer([text for p in problems for text in (p.question, p.extra["solution"])], 112)


@pytest.fixture(scope="session")
def collected():
    """Collects a rollout, four completions an example, all rows scored at once and in their own order."""
    import torch
    import torch.nn.functional as F

    from smoothgates.distributed.ranks import Ranks
    from smoothgates.policy.logprob import Scorer
    from smoothgates.policy.routing import no_routes
    from smoothgates.policy.text import compact_text
    from smoothgates.rollout.collect import Actor, collect
    from smoothgates.rollout.torch_sampler import TorchSampler

    def collected(policy, tokenizer, task_setup, examples):
        def score(ids, starts, lengths, width):
            logp = Scorer(policy)(ids, starts, lengths)[0] if len(ids) else torch.zeros(0, width)
            order, routes = torch.arange(len(ids)).unsqueeze(0), no_routes(policy, *ids.shape)
            return F.pad(logp, (0, width - logp.shape[1])), order, routes

        actor = Actor(TorchSampler(policy), compact_text(tokenizer), task_setup)
        return collect(actor, examples, 4, torch_stream(0, "s"), score, Ranks())

    return collected


@pytest.fixture
def policy():
    """The laptop policy, untrained. Each test gets its own: training changes it in place."""
    from smoothgates.policy.decoder import Decoder

    arch = load_study("laptop").config.architecture
    return Decoder(arch).initialise(torch_stream(0, "initialise"))
