import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from model import attention
from model.attention import attend

sizes = st.integers(1, 9)
bias_shapes = st.sampled_from(["none", "for each head", "for all heads", "one row"])


@settings(max_examples=60)
@given(sizes, sizes, sizes, sizes, bias_shapes, st.sampled_from([None, 0.3]), st.sampled_from([64, 1000, 2**20]))
def test_the_products_are_scaled_dot_product_attention(
    count: int, heads: int, asked: int, length: int, shape: str, scale: float | None, block_bytes: int
) -> None:
    torch.manual_seed(count * 1000 + heads * 100 + asked * 10 + length)
    query = torch.randn(count, asked, heads, 8).transpose(1, 2)
    key, value = torch.randn(2, count, length, heads, 8).transpose(2, 3)
    bias = {
        "none": None,
        "for each head": torch.randn(heads, asked, length),
        "for all heads": torch.randn(asked, length),
        "one row": torch.randn(1, length),
    }[shape]
    expected = F.scaled_dot_product_attention(query, key, value, bias, scale=scale)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(attention, "SCORE_BLOCK_BYTES", block_bytes)
        actual = attend(query, key, value, bias=bias, scale=scale)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_hidden_keys_get_no_weight() -> None:
    query, key, value = torch.randn(3, 1, 2, 4, 8)
    hidden = torch.zeros(4, 4)
    hidden[:, 2:] = -torch.inf
    with torch.no_grad():
        actual = attend(query, key, value, bias=hidden)
    torch.testing.assert_close(actual, F.scaled_dot_product_attention(query, key[:, :, :2], value[:, :, :2]))


@pytest.mark.parametrize("inference", [True, False])
def test_bfloat16_comes_out_as_bfloat16_and_near_float32(inference: bool) -> None:
    query, key, value = torch.randn(3, 2, 3, 20, 16)
    bias = torch.randn(3, 20, 20)
    with torch.set_grad_enabled(not inference):
        actual = attend(*(part.bfloat16() for part in (query, key, value)), bias=bias.bfloat16())
    assert actual.dtype == torch.bfloat16
    expected = F.scaled_dot_product_attention(query, key, value, bias)
    torch.testing.assert_close(actual.float(), expected, rtol=0.05, atol=0.05)


def test_where_gradients_are_asked_for_they_flow() -> None:
    query, key, value = torch.randn(3, 1, 2, 4, 8).requires_grad_(True).unbind(0)
    result = attend(query, key, value)
    assert result.requires_grad


def test_a_causal_query_sees_what_precedes_it() -> None:
    query, key, value = torch.randn(3, 1, 2, 4, 8)
    with torch.no_grad():
        actual = attend(query, key, value, causal=True)
    torch.testing.assert_close(actual[:, :, 0], value[:, :, 0])
    torch.testing.assert_close(actual, F.scaled_dot_product_attention(query, key, value, is_causal=True))
