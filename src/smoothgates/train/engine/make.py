"""The engine that a spec names."""

import torch

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput
from smoothgates.policy.policy import Policy
from smoothgates.specs.train import EngineConfig, TrainSpec
from smoothgates.train.engine.engine import Engine
from smoothgates.train.engine.torch_engine import TorchEngine


def make_engine(policy: Policy, spec: TrainSpec, ranks: Ranks) -> Engine:
    """Raises BadInput where the number of ranks does not fit."""
    if spec.sampling.prompts % ranks.size:
        raise BadInput(f"sampling.prompts: {spec.sampling.prompts} cannot be dealt out evenly to {ranks.size} ranks")
    if spec.engine.kind == "torch":
        if ranks.size > 1:
            raise BadInput(f"engine.kind: 'torch' runs in one process, got {ranks.size}: set it to 'deepspeed'")
        # The torch sampler writes with the very policy that is trained, in main memory.
        device = "cuda" if torch.cuda.is_available() and spec.sampler.kind == "vllm" else "cpu"
        return TorchEngine(policy, spec.engine, spec.regime.optimizer, ranks, device)
    from smoothgates.train.engine.deepspeed_engine import DeepSpeedEngine

    return DeepSpeedEngine(policy, spec.engine, spec.regime.optimizer, ranks)


def loaded_dtype(spec: EngineConfig) -> str:
    """Of the weights that an engine is made of. DeepSpeed rounds them before it copies its master weights from them: in
    single precision they would be the same to it, and take twice the memory, on every rank.
    """
    return spec.dtype if spec.kind == "deepspeed" else "float32"
