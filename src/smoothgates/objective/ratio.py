"""Importance ratios r = π/π_old: per token, or one per sequence (GSPO)."""

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
    gradient differently.
    """
    if level == "token":
        return log_ratio.exp()
    return (log_ratio.sum(dim=1, keepdim=True) / length.clamp(min=1)).exp()
