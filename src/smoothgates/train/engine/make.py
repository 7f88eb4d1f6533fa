"""Makes the engine that a spec names."""

import torch

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput
from smoothgates.policy.policy import Policy
from smoothgates.specs.train import EngineConfig, TrainSpec
from smoothgates.train.engine.engine import Engine
from smoothgates.train.engine.torch_engine import TorchEngine


def make_engine(policy: Policy, spec: TrainSpec, ranks: Ranks) -> Engine:
    """Raises BadInput if the number of ranks does not suit the engine or the number of prompts."""
    if spec.sampling.prompts % ranks.size:
        raise BadInput(f"sampling.prompts: expected a multiple of {ranks.size} ranks, got {spec.sampling.prompts}")
    if spec.engine.kind == "torch":
        if ranks.size > 1:
            raise BadInput(f"engine.kind: 'torch' runs in one process, got {ranks.size}: expected 'deepspeed'")
        # The torch sampler shares the trained policy, which must stay in main memory.
        device = "cuda" if torch.cuda.is_available() and spec.sampler.kind == "vllm" else "cpu"
        return TorchEngine(policy, spec.engine, spec.regime.optimizer, ranks, device)
    from smoothgates.train.engine.deepspeed_engine import DeepSpeedEngine

    return DeepSpeedEngine(policy, spec.engine, spec.regime.optimizer, ranks)


def loaded_dtype(spec: EngineConfig) -> str:
    """The type in which weights are loaded for an engine.

    DeepSpeed rounds weights to its type before it copies its master weights from them. Loading them in single precision
    would give the same result and take twice the memory on every rank.
    """
    return spec.dtype if spec.kind == "deepspeed" else "float32"
