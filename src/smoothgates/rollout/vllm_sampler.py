"""Sampling with vLLM: unrestricted, with tools; the same seeds give the same completions, also if its process dies."""

import sys
from pathlib import Path
from typing import Any

import torch

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.documents import load_json
from smoothgates.rollout.request_scheduler import Writing
from smoothgates.rollout.sampler import Completions, Tools
from smoothgates.rollout.vllm_process import Died, VllmProcess

RESTARTS = 3
"""In a row, before it is called hopeless."""


class VllmSampler:
    """See `Sampler`."""

    def __init__(self, folder: Path, memory: float, dtype: str):
        """Starts an engine on the GPU that this process sees; `memory`: its share. Raises BadInput if that fails."""
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
        samples: int,
        max_new_tokens: int,
        ends: list[int],
        generator: torch.Generator,
        temperature: float = 1.0,
        tools: Tools | None = None,
    ) -> Completions:
        width, steps = max(map(len, prompts)), max_new_tokens + (tools.room if tools else 0)
        if width + steps > self.positions:
            raise BadInput(
                f"architecture.max_position_embeddings: {self.positions} is too few for prompts of up "
                f"to {width} tokens and completions of up to {steps}"
            )
        repeated = [prompt for prompt in prompts for _ in range(samples)]
        seeds = torch.randint(2**62, (len(repeated),), generator=generator).tolist()
        writing = Writing(repeated, max_new_tokens, ends, seeds, tools)
        how = (writing.stops, temperature)
        self._ask("forget")
        requests = list(writing.open.values())
        while writing.open:
            turns = self._ask("advance", requests, *how, again=(list(writing.open.values()), *how))
            requests = writing.take(turns)
        return writing.completions()

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

    def _ask(self, name: str, *arguments: Any, again: tuple | None = None) -> Any:
        """The engine's answer, though it may have to be started again. `again`: what to ask for then, if not the same:
        a new process knows nothing of the turns that were under way.
        """
        while True:
            try:
                answer = self.process.ask(name, *arguments)
                self.deaths = 0
                return answer
            except Died as error:
                self._restart(error)
                arguments = arguments if again is None else again

    def _restart(self, cause: Died) -> None:
        """Raises TryAgain if that has not helped before."""
        while True:
            self.deaths += 1
            if self.deaths > RESTARTS:
                raise TryAgain(f"sampler: vLLM has died {self.deaths} times in a row: {cause}")
            print(f"sampler: vLLM has died ({cause}), it starts again", file=sys.stderr, flush=True)
            try:
                self.process = self._start()
                return
            except Died as error:
                cause = error
