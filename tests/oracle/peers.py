"""A batch in double precision, with what the published code of methods beyond the four papers makes of it.

The loss and the gradient of each function, run as it stands: verl 1dda039b9 (`dppo_kl`, `gmpo`, `clip_cov`), prime-rl
559b44772 (`dppo_tv`; verl has the same gradient), Archer2.0 b08d963 (`aspo`, with one entropy class), KlearReasoner
5d2d0b8 (`gppo`, dual clip off), Liger-Kernel ead96b61 (`luspo` and `vespo`, as VESPO's own code) and VESPO before
c8a6422f (`harmonic`, `cauchy`, `welsch`, with λ fixed at 1). TRL's code is in tests/parity.
"""

import torch

from .fixture import made

OLD_LOGP = [
    [-1.2, -0.7, -2.3, -0.9, 0],
    [-0.5, -1.5, -0.8, 0, 0],
    [-3.0, -0.25, 0, 0, 0],
    [-0.6, -2.0, -1.0, -0.35, -4],
]
LOG_RATIO = [[0, 0.45, -1.4, 0.8, 0], [-0.6, 0.9, -0.05, 0, 0], [1.3, -0.2, 0, 0, 0], [0.5, -0.4, -1.4, 0.3, 2.5]]
MASK = [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
ADVANTAGE = [1.0, -0.5, 0.25, -0.8]

GRADIENTS = {
    "dppo_tv": [
        [-0.071428571, 0, -0.017614069, 0],
        [0, 0.087842968, 0.033972479],
        [-0.065523155, -0.014620192],
        [0.094212644, 0.038304003, 0, 0.077134789, 0.696142512],
    ],
    "dppo_kl": [
        [-0.071428571, 0, -0.017614069, 0],
        [0, 0.087842968, 0.033972479],
        [0, -0.014620192],
        [0.094212644, 0.038304003, 0, 0.077134789, 0.696142512],
    ],
    "gmpo": [
        [-0.053794249, 0, -0.053794249, 0],
        [0, 0.04840976, 0.04840976],
        [0, -0.034536591],
        [0.065948851, 0.065948851, 0, 0.065948851, 0.065948851],
    ],
    "aspo": [
        [-0.071428571, 0, -0.214285714, 0],
        [0, 0.087842968, 0.033972479],
        [0, -0.021810764],
        [0.094212644, 0, 0, 0.077134789, 0.171428571],
    ],
    "gppo": [
        [-0.071428571, -0.091428571, -0.017614069, -0.091428571],
        [0.028571429, 0.087842968, 0.033972479],
        [-0.022857143, -0.014620192],
        [0.094212644, 0.045714286, 0.045714286, 0.077134789, 0.696142512],
    ],
    "harmonic": [
        [-0.071428571, -0.087234176, -0.028259444, -0.098567783],
        [0.025310264, 0.050782107, 0.034821615],
        [-0.028065535, -0.016077357],
        [0.071138209, 0.045864267, 0.022607556, 0.065650573, 0.105616208],
    ],
    "cauchy": [
        [-0.071428571, -0.064760202, -0.033208713, -0.053407136],
        [0.03012681, 0.024921237, 0.035669689],
        [-0.009060335, -0.017505857],
        [0.050675364, 0.052857568, 0.026566971, 0.054664452, 0.009318356],
    ],
    "welsch": [
        [-0.071428571, -0.095317038, -0.013261829, -0.075017593],
        [0.017703552, 0.030275238, 0.033932101],
        [-0.001858614, -0.014381955],
        [0.076335245, 0.036277944, 0.010609463, 0.072555647, 0],
    ],
    "luspo": [[-0.240798604] * 4, [0.135863006] * 3, [0, 0], [0.269971762] * 5],
    "vespo": [[-0.080364619] * 4, [0.042841186] * 3, [-0.000394516] * 2, [0.004865533] * 5],
}
"""∂loss/∂log π of the sampled tokens, to the printed digits; token means, except for `gmpo` and `luspo`."""

VALUES = {
    "dppo_tv": 0.8584234083,
    "gmpo": 0.1907233580,
    "harmonic": 0.2462076291,
    "cauchy": 0.1387055763,
    "luspo": 0.6689409084,
    "vespo": 0.2821347489,
}
"""The loss, where ours is of the same form: others show a value whose derivative is not their gradient."""

COVARIANCE_KEEPS = [[0, 0, 1, 0], [1, 1, 1], [1, 0], [1, 0, 1, 1, 1]]
"""Clip-Cov on-policy, as a rollout's first update is: the tokens that keep their gradient if all with a covariance in
(0.1, 0.9) lose it."""


def batch(garbage: float = 0.0) -> dict[str, torch.Tensor]:
    """The batch, with `garbage` at every masked position; log π requires a gradient."""
    return made(OLD_LOGP, LOG_RATIO, MASK, ADVANTAGE, garbage)
