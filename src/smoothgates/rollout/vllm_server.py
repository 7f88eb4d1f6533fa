"""The process in which vLLM runs. It holds the weights of a policy folder and serves requests over a pipe.

Nothing else imports vLLM: the import takes ten seconds and sets variables and thread counts, and the trainer must
survive if vLLM dies. One process, one GPU. Requests join the batch between two steps, in the order of their arrival.
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

from smoothgates.rollout.request_scheduler import Request, RequestOutput


class Failure(NamedTuple):
    """The last answer of a process that fails."""

    cause: str


class VllmServer:
    """vLLM with the weights of a policy folder. `VllmProcess.ask` calls its public methods."""

    def __init__(self, folder: Path, memory: float, dtype: str, positions: int):
        """`memory`: share of the GPU's memory. `positions`: most tokens of a row. Raises what vLLM raises."""
        from vllm.engine.arg_utils import EngineArgs
        from vllm.platforms import current_platform
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.llm_engine import LLMEngine

        self.folder, self.sleeps, self.asleep = folder, current_platform.is_cuda(), False
        # vLLM on CPUs dies of a seeded request with a prompt in several parts: make room for any prompt in one.
        room = max(positions, 8192)
        whole = {"enforce_eager": True, "enable_chunked_prefill": False, "max_num_batched_tokens": room}
        arguments = EngineArgs(
            model=str(folder),
            dtype=dtype,
            max_model_len=positions,
            gpu_memory_utilization=memory,
            skip_tokenizer_init=True,
            generation_config="vllm",  # a model's own file may set top_k and repetition penalties
            logprobs_mode="raw_logprobs",
            enable_prefix_caching=True,
            enable_sleep_mode=self.sleeps,
            disable_log_stats=True,
            use_tqdm_on_load=False,
            **({} if self.sleeps else whole),
        )
        self.engine = LLMEngine.from_engine_args(arguments, UsageContext.LLM_CLASS)
        self.score([[0, 0]])  # fails here if this machine cannot run the model

    def advance(self, requests: list[Request], stops: list[int]) -> list[RequestOutput]:
        """Add these requests to the batch and run it until some request ends: at an id of `stops`, or at its limit."""
        self._wake()
        for request in requests:
            self._add(
                request.row,
                request.ids,
                max_tokens=request.limit,
                seed=request.seed,
                temperature=request.temperature,
                top_p=1.0,
                top_k=0,
                min_p=0.0,
                stop_token_ids=stops,
                logprobs=0,
            )
        ended = []
        while not ended:
            ended = [found for found in self.engine.step() if found.finished]
        return [
            RequestOutput(int(f.request_id), list(f.outputs[0].token_ids), f.outputs[0].logprobs.logprobs)
            for f in ended
        ]

    def score(self, rows: list[list[int]]) -> list[list[float]]:
        """See `Sampler.score`."""
        self._wake()
        for number, row in enumerate(rows):
            self._add(number, row, max_tokens=1, prompt_logprobs=0)
        found = {}
        while len(found) < len(rows):
            found |= {int(f.request_id): f.prompt_logprobs.logprobs for f in self.engine.step() if f.finished}
        return [found[number] for number in range(len(rows))]

    def load(self, folder: Path) -> None:
        """Use the weights of a policy folder."""
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
        """Drop the keys and values of earlier prompts, so that results do not depend on earlier calls."""
        self._wake()
        self.engine.reset_prefix_cache()

    def rest(self) -> None:
        """Free the GPU's memory. The weights are not copied to main memory: they are read again from their folder."""
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
    """Renew vLLM's packed copies of weights after a reload.

    On CPUs vLLM multiplies by packed copies. A reload leaves two kinds stale: experts, and an output matrix that is
    tied to the embedding. The probe of `train/sync.py` found both.
    """
    model.lm_head.quant_method.process_weights_after_loading(model.lm_head)
    for layer in model.modules():
        if kernel := getattr(getattr(layer, "quant_method", None), "moe_kernel", None):
            kernel.fused_experts.process_weights_after_loading(layer)


def serve(pipe: Connection) -> None:
    """Answer calls (method, arguments) until the pipe closes. The first is `start`, with `VllmServer`'s arguments."""
    server = None
    while True:
        try:
            name, arguments = pipe.recv()
        except EOFError:
            return
        try:
            if name == "start":
                server, answer = VllmServer(*arguments), None
            else:
                answer = getattr(server, name)(*arguments)
        except Exception as error:
            traceback.print_exc()
            pipe.send(Failure(" ".join(f"{type(error).__name__}: {error}".split())))
            return
        pipe.send(answer)


def end_with_parent() -> None:
    """End this process when its parent ends: standard input closes then, however the parent ended."""
    sys.stdin.buffer.read()
    os._exit(1)


def main(pipe: int) -> None:
    """Run the process. `pipe` is a file descriptor."""
    # A signal to all processes of a job makes the trainer save; the trainer then ends this process.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    serve(Connection(pipe))
    os._exit(0)  # nothing to clean up: the system frees the GPU's memory
