"""What the regimes of a study are, in words, from their settings."""

from smoothgates.specs.report import Schedule


def describe_regime(regime: Schedule, moe: bool) -> str:
    """Describe how far off-policy a regime is.

    >>> describe_regime(Schedule(rollouts=16, minibatches=2, epochs=1, lag=0), moe=False)
    '16 rollouts with 2 updates on each, sampled by the policy just before'
    >>> describe_regime(Schedule(rollouts=8, minibatches=4, epochs=4, lag=1, more={"noise": 0.1}), moe=True)
    '8 rollouts with 16 updates on each (4 passes of 4), sampled 1 rollout earlier; noise 0.1; a policy with experts'
    """
    updates = regime.minibatches * regime.epochs
    passes = f" ({regime.epochs} passes of {regime.minibatches})" if regime.epochs > 1 else ""
    sampled = f"sampled {_count(regime.lag, 'rollout')} earlier" if regime.lag else "sampled by the policy just before"
    text = f"{_count(regime.rollouts, 'rollout')} with {_count(updates, 'update')} on each{passes}, {sampled}"
    more = [f"{name} {value}" for name, value in regime.more.items()]
    return "; ".join([text, *more, *(["a policy with experts"] if moe else [])])


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"
