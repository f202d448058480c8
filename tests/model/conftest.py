"""Torch's random numbers under the control of hypothesis."""

import torch
from hypothesis import register_random


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
