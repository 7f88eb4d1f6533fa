"""The sampler that a spec names."""

from pathlib import Path

from smoothgates.policy.decoder import Decoder
from smoothgates.policy.folder import load_compact
from smoothgates.policy.policy import Policy
from smoothgates.rollout.sampler import Sampler
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.specs.rollout import SamplerConfig


def make_sampler(spec: SamplerConfig, folder: Path, dtype: str, policy: Policy | None = None) -> Sampler:
    """One that begins with the weights of a policy folder. `policy`: it may share that instead, if it is a compact one.

    Raises BadInput where it cannot run that kind of model.
    """
    if spec.kind == "torch":
        return TorchSampler(policy if isinstance(policy, Decoder) else load_compact(folder))
    from smoothgates.rollout.vllm_sampler import VllmSampler

    return VllmSampler(folder, spec.memory, dtype)
