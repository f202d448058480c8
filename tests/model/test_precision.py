import numpy as np
import pytest
import torch

from model.errors import ModelError
from model.precision import choose_device, choose_dtype, has_native_bf16, probability_deviation

CPU = torch.device("cpu")


def test_bfloat16_is_chosen_only_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for capabilities, expected in [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda capabilities=capabilities: capabilities)
        assert choose_dtype("auto", CPU) == expected
        assert has_native_bf16(CPU) == (expected == torch.bfloat16)


def test_a_named_dtype_is_taken_as_it_is() -> None:
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    assert choose_dtype("float32", CPU) == torch.float32
    with pytest.raises(ModelError, match="dtype 'float8' is unknown; use auto, float32 or bfloat16"):
        choose_dtype("float8", CPU)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    with pytest.raises(ModelError, match="sees no CUDA device"):
        choose_device("cuda:0")
    with pytest.raises(ModelError, match="device 'abacus' is unknown"):
        choose_device("abacus")


def test_deviation_is_the_largest_difference_in_probability() -> None:
    exact = [np.array([0.0, 100.0], dtype=np.float32), np.array([-2.0], dtype=np.float32)]
    other = [np.array([0.1, 90.0], dtype=np.float32), np.array([-2.0], dtype=np.float32)]
    assert probability_deviation(exact, other) == pytest.approx(1 / (1 + np.exp(-0.1)) - 0.5)
