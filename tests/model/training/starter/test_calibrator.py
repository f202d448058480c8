import random

import torch

from model.training.starter.calibrator import ScoredTask, fit_calibrator


def scored_task(generator: torch.Generator, labels: int) -> ScoredTask:
    """Logits of which only every second one tells the truth, so that a free fit would turn some around."""
    targets = (torch.rand(32, labels, generator=generator) < 1 / labels).float()
    noise = torch.randn(32, labels, generator=generator)
    return ScoredTask(noise + torch.where(noise > 1, -2.0, 2.0) * targets, targets)


def test_a_calibrated_label_set_keeps_the_order_of_its_logits_also_further_out() -> None:
    generator, sizes = torch.Generator().manual_seed(0), random.Random(0)
    calibrator = fit_calibrator([scored_task(generator, sizes.randint(2, 30)) for _ in range(40)], seed=0)
    for labels in (2, 7, 40):
        logits = 3 * torch.randn(200, labels, generator=generator)
        with torch.inference_mode():
            calibrated = calibrator(logits)
        assert torch.equal(calibrated.argmax(1), logits.argmax(1))
