import torch

from model.flash_attention import takes_flash


def test_the_cpu_has_no_such_kernel() -> None:
    assert not takes_flash(torch.zeros(4, 2, 32, dtype=torch.bfloat16), dropout=0.0)
