"""How long jobs take that wait for each other, when so many run at once."""

from heapq import heapify, heappop, heappush

from smoothgates.jobs.dag import Job


def makers(jobs: list[Job]) -> list[set[int]]:
    """For each job, which of these jobs make what it reads."""
    maker = {path: i for i, job in enumerate(jobs) for path in job.writes}
    return [{maker[path] for path in job.reads if path in maker} for job in jobs]


def pending(jobs: list[Job], finished: list[bool]) -> list[bool]:
    """Which jobs are to do: what is not finished, and what reads from it. Jobs in an order in which they could run."""
    todo: list[bool] = []
    for made_by, done in zip(makers(jobs), finished):
        todo.append(not done or any(todo[i] for i in made_by))
    return todo


def wall_seconds(jobs: list[Job], seconds: list[float], at_once: int) -> float:
    """Time until the last job has ended: whichever job comes first in the list and can start, starts.

    With `at_once` as large as the list: the longest chain of jobs.
    """
    waits = makers(jobs)
    readers: list[list[int]] = [[] for _ in jobs]
    for i, made_by in enumerate(waits):
        for maker in made_by:
            readers[maker].append(i)
    missing = [len(made_by) for made_by in waits]
    ready = [i for i, count in enumerate(missing) if count == 0]
    heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < at_once:
            i = heappop(ready)
            heappush(running, (now + seconds[i], i))
        now, ended = heappop(running)
        for i in readers[ended]:
            missing[i] -= 1
            if missing[i] == 0:
                heappush(ready, i)
    return now
