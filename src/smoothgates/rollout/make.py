"""The sampler that a spec names."""

from pathlib import Path

from smoothgates.policy.decoder import Decoder
from smoothgates.policy.load import load_decoder
from smoothgates.policy.policy import Policy
from smoothgates.rollout.sampler import Sampler
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.specs.rollout import SamplerConfig


def make_sampler(spec: SamplerConfig, folder: Path, dtype: str, policy: Policy | None = None) -> Sampler:
    """A sampler with the weights of a policy folder.

    `policy`: the trainer's policy, with the same weights. The torch sampler shares it if it is a compact decoder.
    Raises BadInput if the sampler cannot run that kind of model.
    """
    if spec.kind == "torch":
        return TorchSampler(policy if isinstance(policy, Decoder) else load_decoder(folder))
    from smoothgates.rollout.vllm_sampler import VllmSampler

    return VllmSampler(folder, spec.memory, dtype)
