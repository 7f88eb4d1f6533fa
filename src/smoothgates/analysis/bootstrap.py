"""An interval that holds for other seeds and for other problems: a bootstrap over both."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from smoothgates.analysis.statistics import student

RESAMPLES = 2000


def hierarchical_interval(differences: NDArray[np.float64], confidence: float) -> tuple[float, float] | None:
    """Interval of the mean difference of two methods, for new seeds and new problems.

    `differences`: seeds × problems, paired by both. Seeds and problems are drawn separately, as all seeds answer the
    same problems. The percentiles are those at which a normal distribution has Student's quantiles, further out than
    `confidence` says, as the spread over few seeds is uncertain (Hesterberg, The American Statistician 2015). The
    interval stays in the range of the differences. It is too wide, never too short, where noise that seeds and problems
    do not share prevails (Owen, The Annals of Applied Statistics 2007). None for a single seed.
    """
    seeds, problems = differences.shape
    if seeds < 2:
        return None
    means = ((redrawn(seeds) @ differences) * redrawn(problems)).sum(1)
    tail = stats.norm.sf(student((1 + confidence) / 2, seeds - 1))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


@lru_cache(maxsize=8)
def redrawn(count: int) -> NDArray[np.float64]:
    """Weights of `count` units in each resample, with sum 1: resamples × units.

    A resample draws one unit less than there are. The means of such resamples have the variance s²/n, with the unbiased
    s²; those of n draws have less.
    """
    draws = max(count - 1, 1)
    drawn = np.random.default_rng(count).multinomial(draws, np.full(count, 1 / count), size=RESAMPLES)
    return np.asarray(drawn / draws, dtype=np.float64)
