"""Equality of logits up to float32 rounding, measured against their scale."""

import numpy as np
import torch

TOLERANCE = 1e-5


def assert_equal_logits(
    actual: torch.Tensor | np.ndarray, expected: torch.Tensor | np.ndarray, tolerance: float = TOLERANCE
) -> None:
    """Fail where two logits differ by more than `tolerance` times the larger of 1 and the largest expected logit."""
    ours, theirs = (
        torch.as_tensor(logits, dtype=torch.float64) if isinstance(logits, np.ndarray) else logits.detach().double()
        for logits in (actual, expected)
    )
    scale = max(1.0, float(theirs.abs().max())) if theirs.numel() else 1.0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * scale)
