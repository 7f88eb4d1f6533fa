"""A private SLURM, with and without accounting, and a study that is ready to train.

Every test must end with an empty queue and no process of a job left.
"""

import os

import pytest

from .checkout import Checkout
from .cluster import Cluster, missing, wait_until

NEEDS = "needs SLURM"


@pytest.fixture(scope="session")
def packages():
    """Without these packages every test is skipped with one line; in CI that is a failure."""
    if lacking := missing():
        assert "CI" not in os.environ, f"not found: {', '.join(lacking)}; .ci/slurm.sh installs them"
        pytest.skip(NEEDS)


def pytest_terminal_summary(terminalreporter):
    if skipped := [r for r in terminalreporter.getreports("skipped") if NEEDS in str(r.longrepr)]:
        terminalreporter.line(f"{len(skipped)} tests did not run: SLURM is not installed here, see .ci/slurm.sh.")


@pytest.fixture(scope="session")
def accounting(packages, tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("on"), accounting=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def no_accounting(packages, tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("off"), accounting=False, nodes=1) as cluster:
        yield cluster


@pytest.fixture
def cluster(accounting):
    yield accounting
    assert_clean(accounting)


@pytest.fixture
def plain_cluster(no_accounting):
    """Without accounting: no slurmdbd, and sacct fails."""
    yield no_accounting
    assert_clean(no_accounting)


def assert_clean(cluster: Cluster) -> None:
    try:
        wait_until(lambda: not cluster.squeue(), 20, "an empty queue")
        wait_until(lambda: not cluster.strays(), 10, "the processes of jobs to end")
    finally:
        cluster.reset()


@pytest.fixture(scope="session")
def ready(packages, tmp_path_factory) -> Checkout:
    """The study with its data and its warm start made: only the training is left to do."""
    checkout = Checkout.new(tmp_path_factory.mktemp("ready") / "checkout")
    checkout.run_here("results/slow/policy/math/seed0/model.json")
    return checkout


@pytest.fixture(scope="session")
def undisturbed(ready, tmp_path_factory) -> dict[str, bytes]:
    """Weights of runs without interruption, by regime."""
    checkout = ready.copy(tmp_path_factory.mktemp("undisturbed") / "checkout", None)
    checkout.run_here(checkout.model("brief"), checkout.model("long"))
    return {regime: checkout.weights(regime) for regime in ("brief", "long")}


@pytest.fixture
def checkout(ready, cluster, tmp_path):
    checkout = ready.copy(tmp_path / "checkout", cluster)
    yield checkout
    for run in checkout.runs:
        if run.process.poll() is None:
            run.kill()
