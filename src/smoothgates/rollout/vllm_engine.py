"""The process in which vLLM runs: it holds the weights of a policy folder and does what it is asked to over a pipe.

Nothing else imports vLLM: it costs ten seconds, brings variables and thread counts of its own, and may die without
taking the trainer along. One process, one GPU; requests join the batch between two steps, in the order they came.
"""

import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from torch import nn

from smoothgates.rollout.request_scheduler import Request, Turn


class Failure(NamedTuple):
    """The last answer of a process that then ends."""

    cause: str


class Engine:
    """vLLM's engine; public methods are what may be asked for."""

    def __init__(self, folder: Path, memory: float, dtype: str, positions: int):
        """`memory`: share of the GPU's. `positions`: most tokens of a row. Raises whatever vLLM raises."""
        from vllm.engine.arg_utils import EngineArgs
        from vllm.platforms import current_platform
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.llm_engine import LLMEngine

        self.folder, self.sleeps, self.asleep = folder, current_platform.is_cuda(), False
        # A seeded request whose prompt is computed in parts kills the CPU engine: it gets room for any prompt at once.
        room = max(positions, 8192)
        whole = {"enforce_eager": True, "enable_chunked_prefill": False, "max_num_batched_tokens": room}
        arguments = EngineArgs(
            model=str(folder),
            dtype=dtype,
            max_model_len=positions,
            gpu_memory_utilization=memory,
            skip_tokenizer_init=True,
            generation_config="vllm",  # a model's own has top_k and repetition penalties
            logprobs_mode="raw_logprobs",
            enable_prefix_caching=True,
            enable_sleep_mode=self.sleeps,
            disable_log_stats=True,
            use_tqdm_on_load=False,
            **({} if self.sleeps else whole),
        )
        self.engine = LLMEngine.from_engine_args(arguments, UsageContext.LLM_CLASS)
        self.score([[0, 0]])  # what this machine cannot compute shows here

    def advance(self, requests: list[Request], stops: list[int], temperature: float) -> list[Turn]:
        """Take these up beside those under way, until some turn has ended: at an id of `stops`, or at its limit."""
        self._wake()
        for request in requests:
            self._add(
                request.row,
                request.ids,
                max_tokens=request.limit,
                seed=request.seed,
                temperature=temperature,
                top_p=1.0,
                top_k=0,
                min_p=0.0,
                stop_token_ids=stops,
                logprobs=0,
            )
        ended = []
        while not ended:
            ended = [found for found in self.engine.step() if found.finished]
        return [Turn(int(f.request_id), list(f.outputs[0].token_ids), f.outputs[0].logprobs.logprobs) for f in ended]

    def score(self, rows: list[list[int]]) -> list[list[float]]:
        """As `Sampler.score`."""
        self._wake()
        for number, row in enumerate(rows):
            self._add(number, row, max_tokens=1, prompt_logprobs=0)
        found = {}
        while len(found) < len(rows):
            found |= {int(f.request_id): f.prompt_logprobs.logprobs for f in self.engine.step() if f.finished}
        return [found[number] for number in range(len(rows))]

    def load(self, folder: Path) -> None:
        """Go on with the weights of a policy folder."""
        self.folder = folder
        if self.asleep:
            self.engine.wake_up(["weights"])
        self.engine.collective_rpc("reload_weights", kwargs={"weights_path": str(folder)})
        if not self.sleeps:
            self.engine.apply_model(pack)
        if self.asleep:
            self.engine.wake_up(["kv_cache"])
            self.asleep = False
        self.forget()

    def forget(self) -> None:
        """Drop keys and values of earlier prompts: what comes now must not depend on what came before."""
        self._wake()
        self.engine.reset_prefix_cache()

    def rest(self) -> None:
        """Free the GPU's memory. The weights are read again from their folder: no copy of them in main memory."""
        if self.sleeps and not self.asleep:
            self.engine.sleep(level=2)
            self.asleep = True

    def _wake(self) -> None:
        if self.asleep:
            self.load(self.folder)

    def _add(self, row: int, ids: list[int], **parameters) -> None:
        from vllm import SamplingParams

        chosen = SamplingParams(ignore_eos=True, detokenize=False, flat_logprobs=True, **parameters)
        self.engine.add_request(str(row), {"prompt_token_ids": ids}, chosen)


def pack(model: nn.Module) -> None:
    """On CPUs vLLM multiplies by packed copies, and a reload renews neither that of an output matrix which is the
    embedding nor those of experts. The canary of `train/sync.py` found both.
    """
    model.lm_head.quant_method.process_weights_after_loading(model.lm_head)
    for layer in model.modules():
        if kernel := getattr(getattr(layer, "quant_method", None), "moe_kernel", None):
            kernel.fused_experts.process_weights_after_loading(layer)


def serve(pipe: Connection) -> None:
    """Answer (method, arguments) until the other end closes; the first is `start`, with the engine's arguments."""
    engine = None
    while True:
        try:
            name, arguments = pipe.recv()
        except EOFError:
            return
        try:
            if name == "start":
                engine, answer = Engine(*arguments), None
            else:
                answer = getattr(engine, name)(*arguments)
        except Exception as error:
            traceback.print_exc()
            pipe.send(Failure(" ".join(f"{type(error).__name__}: {error}".split())))
            return
        pipe.send(answer)


def end_with_parent() -> None:
    """Standard input ends when the process that holds its other end does, however that ended."""
    sys.stdin.buffer.read()
    os._exit(1)


def main(pipe: int) -> None:
    """The process, from its start to its end; `pipe` is a file descriptor."""
    # A signal to all processes of a job asks the trainer to save; that one ends this one.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    serve(Connection(pipe))
    os._exit(0)  # nothing to tidy up: the system frees the GPU's memory
