"""Importance ratios r = π/π_old: per token, or one per sequence (GSPO, VESPO, GMPO)."""

from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Limit of |log r|, as in verl. Beyond it, log r is clamped, the token has no gradient, and it is counted in the
metric `clamped`. A healthy run never reaches it."""


def clamped_log_ratio(logp: Tensor, old_logp: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-ratio (B, T), within ±20 and 0 where masked, and 1 at valid tokens that lie inside ±20, else 0.

    `valid` (B, T) is 1 at valid tokens, else 0. Values at masked positions (100, −∞, NaN) are made finite before the
    mask is applied, so that they reach neither the loss nor, through 0·∞, the gradient. A valid token whose log-ratio
    is not finite counts as outside, with log r = 0.
    """
    raw = (logp - old_logp).div_(valid)  # where masked, a division by zero: ±∞ or NaN
    log_ratio = raw.nan_to_num(0, 0, 0).clamp_(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    inside = raw.eq_(log_ratio)
    return log_ratio, inside


def importance_ratio(log_ratio: Tensor, length: Tensor, level: str) -> Tensor:
    """Return the ratio of a log-ratio (B, T) that is 0 where masked; `length` (B, 1) counts the valid tokens of rows.

    `token`: exp(log r_it), (B, T). `sequence` and `sequence_token`: s_i = exp(mean_t log r_it), (B, 1), for every token
    of the row (GSPO, 2507.18071, eq 7 and 14). The last two have the same value, but combine advantages with the
    gradient differently. `product`: Π_t r_it, (B, 1), the ratio of the whole sequence (VESPO, 2602.10693; TOPR,
    2503.14286); its logarithm is held within ±20, with the gradient of the limit beyond it. `geometric`: 1 + log r_it,
    (B, T), what the gate of GMPO (2507.20673) takes in place of a ratio.
    """
    if level == "token":
        return log_ratio.exp()
    if level == "geometric":
        return log_ratio + 1
    total = log_ratio.sum(dim=1, keepdim=True)
    if level == "product":
        return total.clamp_(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp_()
    return (total / length.clamp(min=1)).exp()


def geometric_mean(gated: Tensor, length: Tensor) -> Tensor:
    """Return GMPO's ratio of each row, exp(mean_t (f − 1)), (B, 1), of the gated 1 + log r_it (B, T); 1 where masked.

    With the clip as gate, f − 1 is log r_it clipped to ±ε: the geometric mean of clipped ratios (2507.20673).
    """
    return importance_ratio(gated - 1, length, "sequence")
