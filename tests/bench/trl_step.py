"""TRL's side of one RL step, for step.py: its log-probabilities and loss as they stand, and transformers' `generate`.

Needs `.venv-bench`. What `GRPOTrainer` keeps in itself is given to its methods by a namespace, so that TRL is charged
for neither its data loader nor its logging: a step of the whole trainer takes longer.
"""

from collections import defaultdict
from contextlib import nullcontext
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from smoothgates.policy.config import config_of
from smoothgates.policy.decoder import Decoder
from smoothgates.specs.optimizer import Adam


class TrlStep:
    """Qwen2 of transformers with the weights of a decoder, and what TRL does with it."""

    def __init__(self, policy: Decoder, adam: Adam, steps: int):
        self.model = Qwen2ForCausalLM(Qwen2Config(**config_of(policy.arch, end=0, pad=0))).train()
        self.model.load_state_dict(policy.state_dict(), strict=False)
        self.model.tie_weights()
        add_fused_lm_head(self.model, outputs=("log_probs", "entropy"))
        # As GRPOTrainer configures it. Without an end token all completions are equally long.
        self.generation = GenerationConfig(
            max_new_tokens=steps, do_sample=True, pad_token_id=0, bos_token_id=None, eos_token_id=None,
            temperature=1.0, top_p=1.0, top_k=0, min_p=None, repetition_penalty=1.0, cache_implementation=None,
            disable_compile=True,
        )  # fmt: skip
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), adam.lr, adam.betas, weight_decay=adam.weight_decay, fused=True
        )
        self.clip = adam.grad_clip
        self.trainer = SimpleNamespace(
            aux_loss_enabled=False,
            top_entropy_quantile=1.0,
            off_policy_mask_threshold=None,
            importance_sampling_level="token",
            beta=0.0,
            loss_type="grpo",
            epsilon_low=0.2,
            epsilon_high=0.2,
            args=SimpleNamespace(delta=None, steps_per_generation=1),
            use_vllm=False,
            model=self.model,
            current_gradient_accumulation_steps=1,
            max_completion_length=steps,
            accelerator=SimpleNamespace(
                num_processes=1,
                is_main_process=True,
                gather=lambda x: x,
                reduce=lambda x, reduction: x,
                autocast=nullcontext,
            ),
            _entropy_bonus_enabled=False,
            _metrics={"train": defaultdict(list)},
        )
        self.trainer._get_per_token_logps_and_entropies = self.logprobs

    @torch.no_grad()
    def generate(self, prompts: Tensor) -> Tensor:
        """Completions (B, W) of left-padded prompts (B, P) without padding, one row for each completion."""
        # TRL unwraps a model for generation in this way: training mode has no other effect without dropout.
        found = self.model.generate(
            input_ids=prompts, attention_mask=torch.ones_like(prompts), generation_config=self.generation
        )
        return found[:, prompts.shape[1] :]

    def logprobs(self, *given, **named) -> tuple[Tensor, Tensor | None, None]:
        """TRL's `_get_per_token_logps_and_entropies`."""
        return GRPOTrainer._get_per_token_logps_and_entropies(self.trainer, *given, **named)

    @torch.no_grad()
    def old_logprobs(self, inputs: dict[str, Tensor]) -> Tensor:
        """As TRL computes them where it needs them: (B, W)."""
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        logp, _, _ = self.logprobs(self.model, ids, mask, inputs["completion_ids"].shape[1])
        return logp

    def gradient(self, inputs: dict[str, Tensor]) -> tuple[float, float]:
        """Forward and backward pass. Returns the loss, and the norm of the gradient, which is then clipped."""
        loss = GRPOTrainer._compute_loss(self.trainer, self.model, inputs)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        return loss.item(), norm.item()

    def update(self, inputs: dict[str, Tensor]) -> None:
        """One optimiser step."""
        self.gradient(inputs)
        self.optimizer.step()
        self.optimizer.zero_grad()
