import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.modernbert.modeling_modernbert import apply_rotary_pos_emb

from model.encoders.rotary import LENGTH_DEPENDENT_TYPES, require_fixed_frequencies, rotate
from model.errors import CheckpointError


@given(st.integers(1, 9), st.integers(1, 3), st.sampled_from([2, 6, 8]))
def test_turning_equals_the_stock_function(tokens: int, heads: int, width: int) -> None:
    query, key = torch.randn(2, 1, heads, tokens, width).unbind()
    angles = torch.randn(1, tokens, width // 2).repeat(1, 1, 2)
    expected = apply_rotary_pos_emb(query, key, angles.cos(), angles.sin())
    packed = torch.stack((query[0], key[0])).permute(2, 0, 1, 3)
    actual = rotate(packed, angles.cos(), angles.sin())
    torch.testing.assert_close(actual.permute(1, 2, 0, 3), torch.cat(expected))


def test_low_precision_states_keep_their_dtype_and_are_turned_in_full_precision() -> None:
    states = torch.randn(5, 2, 8).bfloat16()
    angles = torch.randn(1, 5, 4).repeat(1, 1, 2)
    turned = rotate(states, angles.cos(), angles.sin())
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, rotate(states.float(), angles.cos(), angles.sin()).bfloat16())


@pytest.mark.parametrize("rope_type", LENGTH_DEPENDENT_TYPES)
def test_frequencies_that_follow_the_batch_are_refused(rope_type: str) -> None:
    with pytest.raises(CheckpointError, match=f"encoder_config.rope.rope_type '{rope_type}'"):
        require_fixed_frequencies("rope", {"rope_type": rope_type})


@pytest.mark.parametrize("parameters", [None, {}, {"rope_type": "default"}, {"rope_type": "yarn"}])
def test_fixed_frequencies_pass(parameters: dict[str, object] | None) -> None:
    require_fixed_frequencies("rope", parameters)
