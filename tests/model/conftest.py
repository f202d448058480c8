"""Hypothesis without deadlines (no test asserts a duration) and with torch's random numbers under its control."""

import torch
from hypothesis import register_random, settings


class TorchRandom:
    """torch's global generator, in the form that hypothesis seeds and restores."""

    def seed(self, value: int) -> None:
        torch.manual_seed(value)

    def getstate(self) -> torch.Tensor:
        return torch.get_rng_state()

    def setstate(self, state: torch.Tensor) -> None:
        torch.set_rng_state(state)


torch_random = TorchRandom()
register_random(torch_random)
settings.register_profile("model", deadline=None)
settings.load_profile("model")
