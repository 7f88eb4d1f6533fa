"""The bar that a terminal shows for a whole study."""

import io
import logging
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from smoothgates.jobs.snakemake import bar
from smoothgates.jobs.snakemake.bar import Bar

EXPECTED = {"warm_start": 6.0, "train": 2.0, "all": 0.0}
RULES = ["warm_start", "train", "all"]


def record(event=None, **facts):
    return logging.makeLogRecord({"msg": "words", "event": event, **facts})


@pytest.fixture
def shown(monkeypatch):
    monkeypatch.setattr(bar.time, "monotonic", iter(range(0, 1000, 30)).__next__)
    monkeypatch.setenv("COLUMNS", "80")
    jobs = [SimpleNamespace(rule=SimpleNamespace(name=name), wildcards_dict={}) for name in RULES]
    dag = SimpleNamespace(needrun_jobs=lambda: jobs, jobid=jobs.index)
    return Bar(SimpleNamespace(dag=dag), lambda rule, wildcards: EXPECTED[rule], io.StringIO())


def test_the_bar_measures_expected_seconds_and_not_jobs(shown):
    assert not shown.filter(record(LogEvent.JOB_STARTED, jobs=[0]))
    assert not shown.filter(record(LogEvent.JOB_FINISHED, job_id=0))
    assert not shown.filter(record(LogEvent.PROGRESS, done=1, total=3))
    *_, last = shown.terminal.getvalue().split("\r")
    assert last.endswith(" 75%, 1 of 3 jobs, 1:00 so far, 0:20 left\x1b[K")
    drawn = last.partition(" ")[0]
    assert drawn.count("█") == round(0.75 * len(drawn))
    assert len(last.removesuffix("\x1b[K")) < 80


def test_the_last_job_ends_the_line_and_messages_stand_alone(shown):
    shown.filter(record(LogEvent.JOB_STARTED, jobs=[0]))
    assert shown.filter(record(LogEvent.ERROR))
    assert shown.filter(record())
    assert not shown.filter(logging.makeLogRecord({"msg": "Select jobs to execute..."}))
    assert shown.terminal.getvalue().endswith("\r\x1b[K")
    for i in range(3):
        shown.filter(record(LogEvent.JOB_FINISHED, job_id=i))
    assert "100%, 3 of 3 jobs" in shown.terminal.getvalue()
    assert shown.terminal.getvalue().endswith("\n")
    assert shown.terminal.getvalue().count("\n") == 1


def test_a_narrow_terminal_has_no_room_for_a_bar(shown, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    shown.filter(record(LogEvent.JOB_STARTED, jobs=[0]))
    assert shown.terminal.getvalue() == "\r   0%, 0 of 3 jobs, 0:30 so far\x1b[K"
