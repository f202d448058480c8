"""How long publishing takes, learnt from the rounds that succeed. Pure, no I/O."""

WEIGHT = 0.05
DEVIATIONS = 2.0
LONGEST_SECONDS = 1.0
"""A round that was held up by an outage says nothing of the next one."""


class PublishEstimate:
    """What a result should be given between the device and its deadline: the mean round and twice its deviation.

    With transactions this is tens of milliseconds on a cluster: a batch chosen without it would be late by as much.
    """

    def __init__(self) -> None:
        self._mean: float | None = None
        self._deviation = 0.0

    @property
    def seconds(self) -> float:
        """0 before the first round."""
        return min(LONGEST_SECONDS, (self._mean or 0.0) + DEVIATIONS * self._deviation)

    def observe(self, seconds: float) -> None:
        """A round took this long, from the first result that waited for it to the last acknowledgement."""
        seconds = min(seconds, LONGEST_SECONDS)
        if self._mean is None:
            self._mean = seconds
            return
        self._deviation += WEIGHT * (abs(seconds - self._mean) - self._deviation)
        self._mean += WEIGHT * (seconds - self._mean)
