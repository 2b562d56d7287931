"""Statistics of few, noisy samples: medians, quartiles, paired ratios and the bound of a median.

Pure functions on the samples of a line, one per round. They discard nothing: an outlier stays in, and the median
bears it. A sample may be None (its round could not be measured); then that round is part of no figure.

Quartiles interpolate linearly between order statistics (type 7 of Hyndman and Fan, `inclusive` in Python): with five
or seven rounds they lie within what was seen.
Bounds are order statistics: with n values the k-th smallest lies above the true median with the probability
P(Binomial(n, 1/2) < k), whatever the distribution is. It is exact for five values, where a bootstrap of five values
promises more than it holds, and needs no seed. Under five values there is no bound of 95 %: 1/2^4 is above 5 %.
"""
import math
from dataclasses import dataclass

CONFIDENCE = 0.95  # one-sided
SPREAD_MAX = 0.15  # of the median: above it a line is noisy and is marked as such


class NoPairs(Exception):
    """Two lines share no round, or a ratio would divide by zero."""


@dataclass(frozen=True)
class Summary:
    median: float
    q1: float
    q3: float
    rounds: int

    @property
    def spread(self):
        """The distance of the quartiles as a share of the median; None where that says nothing."""
        if self.rounds < 2 or self.median == 0:
            return None
        return (self.q3 - self.q1) / abs(self.median)


def measured(samples):
    return [sample for sample in samples if sample is not None]


def quantile(ordered, fraction):
    place = (len(ordered) - 1) * fraction
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def summary(samples):
    """The Summary, or None when no round was measured."""
    ordered = sorted(measured(samples))
    if not ordered:
        return None
    return Summary(quantile(ordered, 0.5), quantile(ordered, 0.25), quantile(ordered, 0.75), len(ordered))


def paired(own, *others):
    """Tuples of the rounds in which every line was measured: sample i of each belongs to round i."""
    rounds = [samples for samples in zip(own, *others) if None not in samples]
    if not rounds:
        raise NoPairs("no round measured all of the lines")
    return rounds


def ratios(own, peer):
    pairs = paired(own, peer)
    if any(below == 0 for _, below in pairs):
        raise NoPairs("the line to compare with is 0 in a round")
    return [above / below for above, below in pairs]


def differences(own, peer):
    return [left - right for left, right in paired(own, peer)]


def bound_rank(count, confidence=CONFIDENCE):
    """k so that the k-th smallest (largest) value bounds the median from below (above); None: too few values."""
    at_most = (1 - confidence) * 2**count
    rank, ways = 0, 0
    while rank < count and ways + math.comb(count, rank) <= at_most:
        ways += math.comb(count, rank)
        rank += 1
    return rank or None


def lower_bound(values):
    rank = bound_rank(len(values))
    return sorted(values)[rank - 1] if rank else None


def upper_bound(values):
    rank = bound_rank(len(values))
    return sorted(values)[-rank] if rank else None
