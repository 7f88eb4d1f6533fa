"""The sampler that a spec names."""

from pathlib import Path

from smoothgates.policy.decoder import Decoder
from smoothgates.rollout.sampler import Sampler
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.specs import Sampler as SamplerSpec


def make_sampler(spec: SamplerSpec, folder: Path, dtype: str, policy: Decoder | None = None) -> Sampler:
    """One that begins with the weights of a policy folder. `policy`: a compact one that it may share instead."""
    if spec.kind == "torch":
        if policy is None:
            from smoothgates.policy.folder import load_policy

            policy, _ = load_policy(folder)
        return TorchSampler(policy)
    from smoothgates.rollout.vllm_sampler import VllmSampler

    return VllmSampler(folder, spec.memory, dtype)
