"""Sampling with vLLM: unrestricted, with tools. Equal seeds give equal completions, even if vLLM's process dies."""

import sys
from pathlib import Path
from typing import Any

import torch

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.documents import load_json
from smoothgates.rollout.request_scheduler import RequestScheduler
from smoothgates.rollout.sampler import Completions, SamplingParameters, Tools, check_positions
from smoothgates.rollout.vllm_process import Died, VllmProcess

RESTARTS = 3
"""Most restarts in a row without an answer."""


class VllmSampler:
    """See `Sampler`."""

    def __init__(self, folder: Path, memory: float, dtype: str):
        """Start vLLM on this process's GPU with a share `memory` of its memory. Raises BadInput if that fails."""
        self.folder, self.memory, self.dtype = folder, memory, dtype
        self.positions = load_json(folder / "config.json")["max_position_embeddings"]
        self.deaths = 0
        """Since the last answer."""
        try:
            self.process = self._start()
        except Died as error:
            raise BadInput(f"sampler: vLLM does not start with memory {memory} and {folder}: {error}") from None

    def sample(
        self,
        prompts: list[list[int]],
        parameters: SamplingParameters,
        generator: torch.Generator,
        tools: Tools | None = None,
    ) -> Completions:
        steps = parameters.max_new_tokens + (tools.room if tools else 0)
        check_positions(self.positions, max(map(len, prompts)), steps)
        total = len(prompts) * len(parameters.temperatures)
        seeds = torch.randint(2**62, (total,), generator=generator).tolist()
        scheduler = RequestScheduler(prompts, parameters, seeds, tools)
        self._ask("forget")
        requests = list(scheduler.open.values())
        while scheduler.open:
            everything = (list(scheduler.open.values()), scheduler.stops)
            outputs = self._ask("advance", requests, scheduler.stops, after_restart=everything)
            requests = scheduler.advance(outputs)
        return scheduler.completions()

    def score(self, rows: list[list[int]]) -> list[list[float]]:
        return self._ask("score", rows)

    def load(self, folder: Path) -> None:
        self.folder = folder
        self._ask("load", folder)

    def rest(self) -> None:
        self._ask("rest")

    def close(self) -> None:
        self.process.close()

    def _start(self) -> VllmProcess:
        return VllmProcess(self.folder, self.memory, self.dtype, self.positions)

    def _ask(self, name: str, *arguments: Any, after_restart: tuple | None = None) -> Any:
        """The answer of vLLM's process, which is restarted if it dies. Raises TryAgain if it keeps dying.

        `after_restart`: arguments for a new process, if they differ: it knows nothing of unfinished requests.
        """
        while True:
            try:
                answer = self.process.ask(name, *arguments)
                self.deaths = 0
                return answer
            except Died as error:
                self._restart(error)
                arguments = arguments if after_restart is None else after_restart

    def _restart(self, cause: Died) -> None:
        while True:
            self.deaths += 1
            if self.deaths > RESTARTS:
                raise TryAgain(f"sampler: vLLM died {self.deaths} times in a row: {cause}")
            print(f"sampler: vLLM died ({cause}), restarting", file=sys.stderr, flush=True)
            try:
                self.process = self._start()
                return
            except Died as error:
                cause = error
