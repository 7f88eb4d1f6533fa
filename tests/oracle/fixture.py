"""A small batch in double precision, with losses and gradients that public trainers agree on.

The numbers for hard clips, SAPO and CISPO come from the code of TRL, verl and Liger, which agree. Those for the other
gates come from autograd of their published f.
"""

import torch

NAN = float("nan")
LOG_RATIO = [[0.0, 0.10, -0.30, 0.50, 0.0], [0.05, -0.60, 0.70, 0.0, 0.0], [0.3, -0.2, 0.0, 0.0, 0.0]]
OLD_LOGP = [[-1, -0.5, -2, -0.1, 0], [-0.7, -1.2, -0.3, 0, 0], [-0.4, -0.9, 0, 0, 0]]
MASK = [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]
ADVANTAGE = [1.0, -0.5, 0.25]

LOSSES = {
    "grpo": (
        -0.2065559983,
        [[-0.08333333, -0.09209758, -0.06173485, 0], [0.05840395, 0, 0.11187515], [0, -0.03411378]],
    ),
    "dapo": (
        -0.3020177695,
        [[-0.11111111, -0.12279677, -0.08231314, 0], [0.05840395, 0, 0.11187515], [0, -0.02274252]],
    ),
    "dr_grpo": (
        -0.1090899969,
        [[-0.04166667, -0.04604879, -0.03086743, 0], [0.02190148, 0, 0.04195318], [0, -0.00852845]],
    ),
    "gspo_wide": (-0.2716887923, [[-0.08982368] * 4, [0.05840395] * 3, [-0.04380296] * 2]),
    "gspo": (-0.2416214839, [[0] * 4, [0.05840395] * 3, [0, 0]]),
    "gspo_token": (-0.2416214839, [[0] * 4, [0.05840395] * 3, [0, 0]]),
    "sapo": (
        -0.5325071588,
        [
            [-0.08333333, -0.09184337, -0.06070959, -0.12389488],
            [0.05836165, 0.02884081, 0.08533351],
            [-0.05455754, -0.03383508],
        ],
    ),
    "cispo": (
        0.2569462396,
        [
            [-0.11111111, -0.12279677, -0.08231314, -0.18319125],
            [0.05840395, 0.03048954, 0.11187515],
            [-0.03749608, -0.02274252],
        ],
    ),
    "erf_1": (
        -0.2686985089,
        [
            [-0.08333333, -0.09158964, -0.05969576, -0.11132223],
            [0.05831938, 0.02725304, 0.06348902],
            [-0.05290516, -0.03355790],
        ],
    ),
    "arctan_1": (
        -0.2694627847,
        [
            [-0.08333333, -0.09109004, -0.05784884, -0.09669879],
            [0.05823517, 0.02490086, 0.05244885],
            [-0.05011053, -0.03302851],
        ],
    ),
    "softsign_1": (
        -0.2707354025,
        [
            [-0.08333333, -0.09059041, -0.05599856, -0.08112385],
            [0.05815097, 0.02250330, 0.03591180],
            [-0.04729932, -0.03249890],
        ],
    ),
    "sigmoid": (
        -0.0648693990,
        [
            [-0.08333333, -0.07068281, -0.01600498, -0.00083434],
            [0.05320782, 0.00053823, 0.00000233],
            [-0.00640977, -0.01645994],
        ],
    ),
    "erf": (
        -0.2551685464,
        [
            [-0.08333333, -0.05297407, -0.00214704, 0],
            [0.04833304, 0.00000001, 0],
            [-0.00012364, -0.00659805],
        ],
    ),
    "arctan": (
        -0.2564701361,
        [
            [-0.08333333, -0.04372913, -0.00799931, -0.00318897],
            [0.04236663, 0.00100578, 0.00075090],
            [-0.00424801, -0.00795962],
        ],
    ),
    "softsign": (
        -0.2543709491,
        [
            [-0.08333333, -0.03013229, -0.00287948, -0.00048584],
            [0.03608401, 0.00018268, 0.00006152],
            [-0.00116745, -0.00384480],
        ],
    ),
}
"""Loss and its gradient with respect to log π, by method. Gradients are printed to 8 decimals: compare to 1e-8."""

MEAN_WEIGHT = {
    "erf_1": 0.906215,
    "arctan_1": 0.863521,
    "softsign_1": 0.814392,
    "sigmoid": 0.395330,
    "erf": 0.292572,
    "arctan": 0.300173,
    "softsign": 0.237244,
}
"""Mean f′ over tokens."""

METHODS_YAML = """
grpo: {gate: clip, clip: [0.2, 0.2]}
dapo: {gate: clip, clip: [0.2, 0.28], aggregation: token_mean}
dr_grpo: {gate: clip, clip: [0.2, 0.2], aggregation: {constant: 8}}
gspo_wide: {gate: clip, clip: [0.2, 0.2], ratio: sequence}
gspo: {gate: clip, clip: [0.0003, 0.0004], ratio: sequence}
gspo_token: {gate: clip, clip: [0.0003, 0.0004], ratio: sequence_token}
sapo: {gate: sigmoid, tau: [1.0, 1.05]}
cispo: {gate: cispo, clip: 4, aggregation: token_mean}
erf_1: {gate: erf, tau: [1.0, 1.05]}
arctan_1: {gate: arctan, tau: [1.0, 1.05]}
softsign_1: {gate: softsign, tau: [1.0, 1.05]}
sigmoid: {gate: sigmoid, tau: [10, 12]}
erf: {gate: erf, tau: [10, 12]}
arctan: {gate: arctan, tau: [10, 12]}
softsign: {gate: softsign, tau: [10, 12]}
"""


def batch(garbage: float = 0.0) -> dict[str, torch.Tensor]:
    """The batch, with `garbage` at every masked position; log π requires a gradient."""
    return made(OLD_LOGP, LOG_RATIO, MASK, ADVANTAGE, garbage)


def made(old_logp: list, log_ratio: list, mask: list, advantage: list, garbage: float) -> dict[str, torch.Tensor]:
    valid, double = torch.tensor(mask), torch.float64
    old = torch.tensor(old_logp, dtype=double)
    logp = old + torch.tensor(log_ratio, dtype=double)
    logp, old = (t.where(valid.bool(), torch.tensor(garbage, dtype=double)) for t in (logp, old))
    advantages = torch.tensor(advantage, dtype=double)
    return {"logp": logp.requires_grad_(), "old_logp": old, "advantage": advantages, "mask": valid}


def padded(rows: list) -> torch.Tensor:
    """The numbers of rows of at most five tokens, with zeros behind them."""
    return torch.tensor([[*row, *[0.0] * (5 - len(row))] for row in rows], dtype=torch.float64)
