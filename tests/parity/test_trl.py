"""TRL's own loss code on random batches. Run by `make parity`, in .venv-scale.

`_compute_loss` of its trainers is called as it stands; only the log-probabilities that it asks a model for are given to
it.
"""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from smoothgates.methods.method import Method
from smoothgates.objective import policy_loss

trl = pytest.importorskip("trl", reason="TRL is not installed here: run `make parity`")
from trl.experimental.gmpo.gmpo_trainer import GMPOTrainer  # noqa: E402
from trl.trainer.grpo_trainer import GRPOTrainer  # noqa: E402

LENGTH = 12
CASES = {
    "grpo": (Method(gate="clip", clip=0.2), {"loss_type": "grpo"}),
    "clip_higher": (
        Method(gate="clip", clip=(0.1, 0.3)),
        {"loss_type": "grpo", "epsilon_low": 0.1, "epsilon_high": 0.3},
    ),
    "dapo": (
        Method(gate="clip", clip=(0.2, 0.28), aggregation="token_mean"),
        {"loss_type": "dapo", "epsilon_high": 0.28},
    ),
    "dr_grpo": (Method(gate="clip", clip=0.2, aggregation={"constant": LENGTH}), {"loss_type": "dr_grpo"}),
    "gspo": (
        Method(gate="clip", clip=(3e-4, 4e-4), ratio="sequence"),
        {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon_low": 3e-4, "epsilon_high": 4e-4},
    ),
    "gspo_wide": (
        Method(gate="clip", clip=0.2, ratio="sequence"),
        {"loss_type": "grpo", "importance_sampling_level": "sequence"},
    ),
    "sapo": (Method(gate="sigmoid", tau=(1.0, 1.05)), {"loss_type": "sapo"}),
    "sapo_narrow": (Method(gate="sigmoid", tau=(10, 12)), {"loss_type": "sapo", "sapo": (10.0, 12.0)}),
    "sapo_sequence": (
        Method(gate="sigmoid", tau=(1.0, 1.05), ratio="sequence"),
        {"loss_type": "sapo", "importance_sampling_level": "sequence"},
    ),
    "cispo": (
        Method(gate="cispo", clip=4, aggregation="token_mean"),
        {"loss_type": "cispo", "epsilon_high": 5.0},
    ),
    "luspo": (
        Method(gate="clip", clip=(2e-3, 2.5e-3), ratio="sequence", aggregation={"constant": 1}),
        {"loss_type": "luspo", "importance_sampling_level": "sequence", "epsilon_low": 2e-3, "epsilon_high": 2.5e-3},
    ),
    "vespo": (Method(gate="gamma", ratio="product", aggregation="token_mean"), {"loss_type": "vespo"}),
    "gmpo": (
        Method(gate="clip", clip=(0.4, 0.4), ratio="geometric"),
        {"loss_type": "gmpo", "epsilon_low": 0.4, "epsilon_high": 0.4},
    ),
}


def trainer(logp: torch.Tensor, settings: dict) -> SimpleNamespace:
    """What `_compute_loss` reads of a trainer: TRL's defaults but for `settings`."""
    tau_pos, tau_neg = settings.get("sapo", (1.0, 1.05))
    return SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logp, torch.zeros_like(logp), None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=settings.get("importance_sampling_level", "token"),
        beta=0.0,
        loss_type=settings["loss_type"],
        epsilon_low=settings.get("epsilon_low", 0.2),
        epsilon_high=settings.get("epsilon_high", 0.2),
        get_gamma_weights=GRPOTrainer.get_gamma_weights,
        args=SimpleNamespace(
            delta=None,
            sapo_temperature_pos=tau_pos,
            sapo_temperature_neg=tau_neg,
            vespo_k_pos=2.0,
            vespo_lambda_pos=3.0,
            vespo_k_neg=3.0,
            vespo_lambda_neg=2.0,
            steps_per_generation=1,
        ),
        use_vllm=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        max_completion_length=LENGTH,
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x),
        _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)},
    )


def random_batch(seed: int, dtype: torch.dtype):
    generator = torch.Generator().manual_seed(seed)
    rows = 2 + seed % 7
    old = -3 * torch.rand(rows, LENGTH, generator=generator, dtype=dtype)
    spread = (0.001, 0.05, 0.3, 1.0)[seed % 4]
    logp = old + spread * torch.randn(rows, LENGTH, generator=generator, dtype=dtype)
    lengths = torch.randint(1, LENGTH + 1, (rows, 1), generator=generator)
    mask = (torch.arange(LENGTH) < lengths).long()
    return logp, old, torch.randn(rows, generator=generator, dtype=dtype), mask


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["fp64", "fp32"])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_trls(case, dtype):
    method, settings = CASES[case]
    peer = GMPOTrainer if case == "gmpo" else GRPOTrainer
    for seed in range(40):
        logp, old, advantage, mask = random_batch(seed, dtype)
        theirs = logp.clone().requires_grad_()
        ones = torch.ones(len(mask), 1, dtype=torch.long)
        inputs = {
            "prompt_ids": ones,
            "prompt_mask": ones,
            "completion_ids": torch.zeros_like(mask),
            "completion_mask": mask,
            "advantages": advantage,
            "old_per_token_logps": old,
            "num_items_in_batch": mask.sum(),
        }
        expected = peer._compute_loss(trainer(theirs, settings), None, inputs)
        expected.backward()

        ours = logp.clone().requires_grad_()
        loss, _ = policy_loss(ours, old, advantage, mask, method)
        loss.backward()
        torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-6)
