"""Runs the tests in an environment without torch: `pytest -p tests.without_torch`.

No list says which tests need torch. A module that cannot be imported without it is left out, a test that fails for want
of it is skipped, and the summary counts both. So that this cannot hide everything, tests of most files have to run.
"""

import re
import sys
from collections import Counter
from importlib.util import find_spec

import pytest

WANTED = "No module named 'torch'"
PATTERN = re.compile(WANTED.replace("'", r"\\?'"))  # a child's output is shown with its quotes escaped


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    before = {*sys.modules}
    report = _excused((yield), collector)
    if report.skipped:  # pytest leaves behind what it could not import to its end, and other modules would find that
        for name in {*sys.modules} - before:
            if name.startswith("smoothgates"):
                del sys.modules[name]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return _excused((yield), item)


def _excused(report, node):
    if report.failed and PATTERN.search(str(report.longrepr)):
        report.outcome, report.longrepr = "skipped", (str(node.path), 0, WANTED)
    return report


def pytest_configure():
    if find_spec("torch"):
        raise pytest.UsageError("torch is installed here: no test may be left out")


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and session.exitstatus == pytest.ExitCode.OK and not _most(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    ran, left_out = _ran(terminalreporter), _left_out(terminalreporter)
    terminalreporter.section("without torch")
    terminalreporter.line(f"{ran.total()} tests and doctests ran. Left out, as they need torch:")
    for file, count in sorted(left_out.items()):
        terminalreporter.line(f"  {file}: {f'{count} of {count + ran[file]} tests' if ran[file] else 'all'}")
    if not _most(terminalreporter):
        terminalreporter.line("ERROR: more test files were left out than ran", red=True)


def _most(reporter):
    """Whether more test files ran, at least in part, than were left out. Doctests do not count."""
    ran, left_out = (
        {file for file in files if file.startswith("tests/")} for files in (_ran(reporter), _left_out(reporter))
    )
    return len(ran) > len(left_out - ran)


def _ran(reporter):
    return _files([*reporter.getreports("passed"), *reporter.getreports("failed")])


def _left_out(reporter):
    return _files(report for report in reporter.getreports("skipped") if WANTED in str(report.longrepr))


def _files(reports):
    """How many of the reports are about each file."""
    return Counter(report.nodeid.partition("::")[0] for report in reports)
