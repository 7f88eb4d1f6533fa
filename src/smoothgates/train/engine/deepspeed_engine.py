"""The engine of several processes: DeepSpeed's ZeRO divides optimiser state, gradients and weights among them."""

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
        arguments = SimpleNamespace(device_rank=local_device())
        self.engine, *_ = self.deepspeed.initialize(
            args=arguments, model=scorer, optimizer=optimizer, config=settings(spec, adam)
        )

    def score(self, ids: Tensor, starts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return self.engine(*(tensor.to(self.engine.device) for tensor in (ids, starts, lengths)))

    def backward(self, loss: Tensor, last: bool) -> None:
        self.engine.set_gradient_accumulation_boundary(last)
        # DeepSpeed takes the mean over ranks, but the loss is already divided by a denominator of all ranks.
        self.engine.backward(loss * self.ranks.size)

    def step(self, rate: float) -> float:
        for group in self.engine.optimizer.param_groups:
            group["lr"] = self.adam.lr * rate
        self.engine.step()  # DeepSpeed skips the step if the norm is not finite
        return float(self.engine.get_global_grad_norm())

    def weights(self) -> dict[str, Tensor]:
        found = {}
        for name, module in self.policy.named_modules():
            own = list(module.parameters(recurse=False))
            with self.deepspeed.zero.GatheredParameters(own):
                if own and self.ranks.is_main:  # entries of children are overwritten when their turn comes
                    state = module.state_dict(prefix=f"{name}.")
                    found |= {key: tensor.to("cpu", copy=True) for key, tensor in state.items()}
        return found

    def tensors(self) -> dict[str, Tensor]:
        states = enumerate(map(self.part_state, self.parts()))
        return {f"{i}.{name}": tensor for i, state in states for name, tensor in state.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        for i, part in enumerate(self.parts()):
            state = {name.removeprefix(f"{i}."): t for name, t in tensors.items() if name.startswith(f"{i}.")}
            part.data.copy_(state.pop("weights"))
            self.optimizer.state[part] = {name: t.to(part.device, copy=True) for name, t in state.items()}
        self.distribute_weights()

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimiser that DeepSpeed wraps. It has this rank's parts only."""
        return self.engine.optimizer.optimizer

    def parts(self) -> list[Tensor]:
        """This rank's parts of the master weights, flattened, in single precision."""
        if self.zero == 3:
            return self.engine.optimizer.fp32_partitioned_groups_flat
        return [part for group in self.optimizer.param_groups for part in group["params"]]

    def part_state(self, part: Tensor) -> dict[str, Tensor]:
        """A part's weights, and its optimiser state, which is empty before the first step."""
        return {"weights": part.detach(), **self.optimizer.state.get(part, {})}

    def distribute_weights(self) -> None:
        """Copy the weights in the parts to the policy on every rank."""
        wrapped = self.engine.optimizer
        if self.zero < 3:
            wrapped.update_lp_params()
            return
        wrapped.checkpoint_event_prologue()
        for i in range(len(self.parts())):
            wrapped._reassign_or_swap_out_partitioned_parameters(i)
        wrapped.checkpoint_event_epilogue()


def settings(spec: EngineConfig, adam: Adam) -> dict:
    """DeepSpeed's configuration. Its batch sizes have no effect: `accumulate` divides updates into micro-batches."""
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
        # On CPUs, torch's fused AdamW is as fast as DeepSpeed's own, which would have to be compiled first.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }


def quiet_deepspeed() -> ModuleType:
    """Import DeepSpeed so that it starts without a compiler and logs warnings only."""
    os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
    os.environ.setdefault("LOCAL_RANK", "0")
    if not torch.distributed.is_initialized():  # a single process
        begin_group()
    import deepspeed
    import deepspeed.ops
    from deepspeed.utils import logger

    logger.setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "`torch.distributed", FutureWarning)
    # This extension reduces through shared memory, but is compiled at first use. Without it, gloo reduces.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed


def local_device() -> int:
    """Index of this process's GPU among those that it sees."""
    return int(os.environ.get("LOCAL_RANK", 0)) % max(1, torch.cuda.device_count())
