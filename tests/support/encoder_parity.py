"""What every packed encoder owes to its stock transformers model, as checks on a pair with the same weights."""

import copy
from collections.abc import Callable, Sequence

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from model.packing import PackedBatch

VOCABULARY = 50
Alone = Callable[[Tensor], Tensor]
"""Hidden states [L, H] of the stock model for one sequence: token ids [L], or word embeddings [L, H]."""

short_sequences = st.lists(st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=14), min_size=1, max_size=4)


def ragged(lengths: Sequence[int], seed: int = 0) -> list[list[int]]:
    """Random sequences of the given lengths."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(1, VOCABULARY, (length,), generator=generator).tolist() for length in lengths]


def with_same_weights(stock: nn.Module, packed: nn.Module) -> None:
    """Move every weight of `stock` off its initial value, norms included, and load all of them into `packed`."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in stock.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.1)
    packed.load_state_dict(stock.state_dict(), strict=True)
    stock.eval()
    packed.eval()


def stock_alone(stock: nn.Module) -> Alone:
    """Run `stock` on one sequence at a time."""

    def alone(sequence: Tensor) -> Tensor:
        if sequence.is_floating_point():
            return stock(inputs_embeds=sequence[None]).last_hidden_state[0]
        return stock(input_ids=sequence[None]).last_hidden_state[0]

    return alone


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """Equal to `tolerance` times the largest expected value, or times 1 where all are smaller."""
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * scale)


@torch.no_grad()
def assert_parity(packed: nn.Module, alone: Alone, sequences: Sequence[Sequence[int]]) -> None:
    """The packed batch equals the stock model on each sequence alone."""
    expected = torch.cat([alone(torch.tensor(sequence)) for sequence in sequences])
    assert_close(packed(PackedBatch.pack(sequences)), expected)


@torch.no_grad()
def assert_rows(packed: nn.Module, sequences: Sequence[Sequence[int]], rows: Sequence[int]) -> None:
    """Asking for rows gives those rows of the whole."""
    batch, asked = PackedBatch.pack(sequences), torch.tensor(rows)
    assert_close(packed(batch, rows=asked), packed(batch)[asked])


@torch.no_grad()
def assert_embeds(packed: nn.Module, alone: Alone, width: int, lengths: Sequence[int]) -> None:
    """Given word embeddings take the place of those of the ids."""
    embeds = torch.randn(sum(lengths), width, generator=torch.Generator().manual_seed(2))
    expected = torch.cat([alone(part) for part in embeds.split(list(lengths))])
    assert_close(packed(PackedBatch.pack(ragged(lengths)), inputs_embeds=embeds), expected)


def assert_gradients(
    packed: nn.Module, stock: nn.Module, alone: Alone, sequences: Sequence[Sequence[int]], rows: Sequence[int]
) -> None:
    """Every weight has the gradient of the stock model, for a loss that reads some rows, in evaluation and training."""
    expected = torch.cat([alone(torch.tensor(sequence)) for sequence in sequences])[list(rows)]
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3))
    (expected * direction).sum().backward()
    (packed(PackedBatch.pack(sequences), rows=torch.tensor(rows)) * direction).sum().backward()
    gradients = dict(stock.named_parameters())
    assert gradients.keys() == dict(packed.named_parameters()).keys()
    for name, weight in packed.named_parameters():
        reference = gradients[name].grad
        assert (weight.grad is None) == (reference is None), name
        if weight.grad is not None and reference is not None:
            assert_close(weight.grad, reference, tolerance=1e-4)
    for module in (packed, stock):
        module.zero_grad()


@torch.no_grad()
def assert_bfloat16(packed: nn.Module, alone: Alone, sequences: Sequence[Sequence[int]]) -> None:
    """In bfloat16 all states, and asked rows, stay within 3 % (Frobenius norm) of the stock model in float32."""
    expected = torch.cat([alone(torch.tensor(sequence)) for sequence in sequences])
    batch = PackedBatch.pack(sequences)
    low = copy.deepcopy(packed).to(torch.bfloat16)
    rows = torch.arange(0, batch.token_count, 3)
    whole, part = low(batch), low(batch, rows=rows)
    assert whole.dtype == part.dtype == torch.bfloat16
    assert (whole.float() - expected).norm() <= 0.03 * expected.norm()
    assert (part.float() - expected[rows]).norm() <= 0.03 * expected[rows].norm()
