"""Simulate jobs that wait for each other."""

from heapq import heapify, heappop, heappush

from smoothgates.jobs.dag import Job


def makers(jobs: list[Job]) -> list[set[int]]:
    """For each job, the positions of the jobs whose outputs it reads."""
    maker = {path: i for i, job in enumerate(jobs) for path in job.writes}
    return [{maker[path] for path in job.reads if path in maker} for job in jobs]


def pending(jobs: list[Job], finished: list[bool]) -> list[bool]:
    """Which jobs have to run: unfinished ones and their readers. `jobs` are in an order in which they can run."""
    todo: list[bool] = []
    for made_by, done in zip(makers(jobs), finished):
        todo.append(not done or any(todo[i] for i in made_by))
    return todo


def wall_seconds(jobs: list[Job], seconds: list[float], at_once: int) -> float:
    """Seconds until the last job has ended, if `at_once` jobs run at a time. The first job that can start starts.

    With `at_once` = the number of jobs, this is the longest chain.
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
