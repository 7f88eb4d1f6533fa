"""Importance ratios r = π/π_old: per token, or one per sequence (GSPO)."""

from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Limit of |log r|, as in verl. Beyond it, log r is clamped, the token has no gradient, and it is counted in the
metric `clamped`. A healthy run never reaches it."""


def clamped_log_ratio(logp: Tensor, old_logp: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-ratio (B, T), within ±20 and 0 where masked, and which valid tokens (B, T) lie outside ±20.

    The mask is applied before the clamp, so that values at masked positions (100, −∞, NaN) reach neither the loss nor,
    through 0·∞, the gradient. A valid token whose log-ratio is not finite counts as outside, with log r = 0.
    """
    raw = (logp - old_logp).where(mask, logp.new_zeros(()))
    finite = raw.isfinite()
    outside = ~finite | (raw.abs() > LOG_RATIO_LIMIT)
    log_ratio = raw.where(finite, logp.new_zeros(())).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    return log_ratio, outside


def importance_ratio(log_ratio: Tensor, mask: Tensor, level: str) -> Tensor:
    """Return the ratio (B, T) of a log-ratio (B, T) that is 0 where masked.

    `token`: exp(log r_it). `sequence` and `sequence_token`: s_i = exp(mean_t log r_it) at every token of the row (GSPO,
    2507.18071, eq 7 and 14). The last two have the same value, but combine advantages with the gradient differently.
    """
    if level == "token":
        return log_ratio.exp()
    length = mask.sum(dim=1, keepdim=True).clamp(min=1)
    return (log_ratio.sum(dim=1, keepdim=True) / length).exp().expand_as(log_ratio)
