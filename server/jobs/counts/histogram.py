"""Durations in buckets of a fixed relative width: percentiles of many jobs in bounded memory.

Eight buckets to a doubling, so what is read from them is at most 4.5 % off; buckets of several
nodes are added up.
"""

import math
from collections.abc import Mapping

_PER_DOUBLING = 8
LAST_BUCKET = 30 * _PER_DOUBLING
"""Takes all that lasted longer than twelve days."""


def bucket_of(milliseconds: float) -> int:
    """The bucket of a duration; 0 is for less than a millisecond."""
    if milliseconds < 1:
        return 0
    return min(LAST_BUCKET, 1 + int(math.log2(milliseconds) * _PER_DOUBLING))


def milliseconds_of(bucket: int) -> float:
    """The middle of a bucket."""
    return 0.0 if bucket == 0 else float(2 ** ((bucket - 0.5) / _PER_DOUBLING))


def percentile_ms(buckets: Mapping[int, int], share: float) -> float | None:
    """The duration that `share` (0 to 1) of all do not exceed; None where there are none."""
    left = math.ceil(share * sum(buckets.values()))
    for bucket in sorted(buckets):
        left -= buckets[bucket]
        if left <= 0 and buckets[bucket]:
            return milliseconds_of(bucket)
    return None
