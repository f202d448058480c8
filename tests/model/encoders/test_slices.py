import torch
from hypothesis import given
from hypothesis import strategies as st

from model.encoders.slices import SLICE_TOKENS, in_slices


@given(st.integers(1, 3 * SLICE_TOKENS))
def test_every_token_passes_once_in_its_place_and_no_slice_is_too_large(tokens: int) -> None:
    sizes = []

    def doubled(states: torch.Tensor) -> torch.Tensor:
        sizes.append(len(states))
        return 2 * states

    states = torch.arange(2.0 * tokens).view(tokens, 2)
    assert torch.equal(in_slices(doubled, states), 2 * states)
    assert sum(sizes) == tokens
    assert max(sizes) <= SLICE_TOKENS


def test_gradients_pass_through_slices() -> None:
    states = torch.randn(SLICE_TOKENS + 5, 3, requires_grad=True)
    in_slices(torch.square, states).sum().backward()
    torch.testing.assert_close(states.grad, 2 * states.detach())
