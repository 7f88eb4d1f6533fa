"""Several processes, DeepSpeed: ZeRO divides optimiser state, gradients and weights among them."""

import logging
import os
import warnings
from types import ModuleType, SimpleNamespace

import torch
from torch import Tensor

from smoothgates.distributed.ranks import Ranks, begin_group
from smoothgates.policy.logprob import Scorer
from smoothgates.policy.policy import Policy
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.train import EngineConfig


class DeepSpeedEngine:
    """See `Engine`."""

    def __init__(self, policy: Policy, spec: EngineConfig, adam: Adam, ranks: Ranks):
        self.policy, self.ranks, self.adam, self.zero = policy, ranks, adam, spec.zero
        self.deepspeed = quiet_deepspeed()
        if spec.gradient_checkpointing:
            policy.checkpoint_gradients()
        scorer = Scorer(policy, spec.packed, spec.logits)
        optimizer = torch.optim.AdamW(scorer.parameters(), adam.lr, adam.betas, 1e-8, adam.weight_decay, fused=True)
        place = SimpleNamespace(device_rank=local_device())
        self.engine, *_ = self.deepspeed.initialize(
            args=place, model=scorer, optimizer=optimizer, config=settings(spec, adam)
        )

    def score(self, ids: Tensor, starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return self.engine(*(tensor.to(self.engine.device) for tensor in (ids, starts, lengths)))

    def backward(self, loss: Tensor, last: bool) -> None:
        self.engine.set_gradient_accumulation_boundary(last)
        # DeepSpeed takes the mean over ranks, and our denominator has counted them already.
        self.engine.backward(loss * self.ranks.size)

    def step(self, rate: float) -> float:
        for group in self.engine.optimizer.param_groups:
            group["lr"] = self.adam.lr * rate
        self.engine.step()  # which DeepSpeed leaves out where the norm is not finite
        return float(self.engine.get_global_grad_norm())

    def weights(self) -> dict[str, Tensor]:
        found = {}
        for name, module in self.policy.named_modules():
            own = list(module.parameters(recurse=False))
            with self.deepspeed.zero.GatheredParameters(own):
                if own and self.ranks.is_main:  # children that have parameters, too, follow and take their places
                    state = module.state_dict(prefix=f"{name}.")
                    found |= {key: tensor.to("cpu", copy=True) for key, tensor in state.items()}
        return found

    def tensors(self) -> dict[str, Tensor]:
        memories = enumerate(map(self.memory, self.parts()))
        return {f"{i}.{name}": tensor for i, memory in memories for name, tensor in memory.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        for i, part in enumerate(self.parts()):
            memory = {name.removeprefix(f"{i}."): t for name, t in tensors.items() if name.startswith(f"{i}.")}
            part.data.copy_(memory.pop("weights"))
            self.optimizer.state[part] = {name: t.to(part.device, copy=True) for name, t in memory.items()}
        self.spread()

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The one that DeepSpeed has wrapped: it knows this rank's parts alone."""
        return self.engine.optimizer.optimizer

    def parts(self) -> list[Tensor]:
        """This rank's parts of the master weights, flat and in single precision."""
        if self.zero == 3:
            return self.engine.optimizer.fp32_partitioned_groups_flat
        return [part for group in self.optimizer.param_groups for part in group["params"]]

    def memory(self, part: Tensor) -> dict[str, Tensor]:
        """A part's weights and what the optimiser remembers of them: nothing before the first step."""
        return {"weights": part.detach(), **self.optimizer.state.get(part, {})}

    def spread(self) -> None:
        """Give every rank the weights that the parts now hold."""
        wrapped = self.engine.optimizer
        if self.zero < 3:
            wrapped.update_lp_params()
            return
        wrapped.checkpoint_event_prologue()
        for i in range(len(self.parts())):
            wrapped._reassign_or_swap_out_partitioned_parameters(i)
        wrapped.checkpoint_event_epilogue()


def settings(spec: EngineConfig, adam: Adam) -> dict:
    """DeepSpeed's configuration. Micro-batches are ours: of its batch sizes it only checks the product."""
    zero = {"stage": spec.zero}
    if spec.offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": adam.grad_clip,
        "zero_optimization": zero,
        "bf16": {"enabled": spec.dtype == "bfloat16"},
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
        # Torch's fused AdamW is as fast on CPUs as DeepSpeed's own, which would have to be compiled first.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }


def quiet_deepspeed() -> ModuleType:
    """The package, made to start without a compiler and to say no more than warnings."""
    os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
    os.environ.setdefault("LOCAL_RANK", "0")
    if not torch.distributed.is_initialized():  # a world of one
        begin_group()
    import deepspeed
    import deepspeed.ops
    from deepspeed.utils import logger

    logger.setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "`torch.distributed", FutureWarning)
    # Reduces among ranks of one CPU through shared memory: compiled at first use, and without it gloo does.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed


def local_device() -> int:
    """Of the GPUs that this process sees: `launch` has dealt them out, unless it found none named."""
    return int(os.environ.get("LOCAL_RANK", 0)) % max(1, torch.cuda.device_count())
