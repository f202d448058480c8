"""How long a device batch will take: learnt, pure, no clock of its own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CostSample:
    """One measured batch: device tokens, sum of squared sequence lengths, seconds from device-ready to result-ready."""

    token_count: int
    squared_tokens: int
    seconds: float


class CostModel:
    """Seconds = fixed + per token + per squared length."""

    def __init__(self, fixed_seconds: float = 0.005, seconds_per_token: float = 40e-6) -> None:
        self.fixed_seconds = fixed_seconds
        self.seconds_per_token = seconds_per_token
        self.seconds_per_squared_token = 0.0

    def predict(self, token_count: int, squared_tokens: int) -> float:
        """Expected seconds of a batch with this many tokens and this sum of squared sequence lengths."""
        return self.fixed_seconds + self.marginal(token_count, squared_tokens)

    def marginal(self, token_count: int, squared_tokens: int) -> float:
        """Expected seconds that a message of this length adds to a batch that runs anyway."""
        return self.seconds_per_token * token_count + self.seconds_per_squared_token * squared_tokens

    def learn(self, token_count: int, squared_tokens: int, seconds: float) -> None:
        """Take one measured batch into account."""
        predicted = self.predict(token_count, squared_tokens)
        if predicted > 0 and seconds > 0:
            ratio = min(2.0, max(0.5, seconds / predicted)) ** 0.05
            self.fixed_seconds *= ratio
            self.seconds_per_token *= ratio
