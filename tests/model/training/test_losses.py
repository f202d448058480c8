import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from model.training.data import IGNORED
from model.training.losses import listwise_loss, multi_label_loss, partial_label_loss


def test_without_options_it_is_the_mean_binary_cross_entropy() -> None:
    logits, targets = torch.tensor([0.5, -2.0, 3.0]), torch.tensor([1.0, 0.0, 0.3])
    assert torch.isclose(multi_label_loss(logits, targets), F.binary_cross_entropy_with_logits(logits, targets))


def test_ignored_labels_change_neither_the_loss_nor_the_gradient() -> None:
    logits = torch.tensor([0.5, -2.0, 3.0], requires_grad=True)
    loss = multi_label_loss(logits, torch.tensor([1.0, 0.0, IGNORED]))
    assert torch.isclose(loss, multi_label_loss(logits[:2], torch.tensor([1.0, 0.0])))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[2] == 0


def test_nothing_known_gives_zero_and_no_gradient() -> None:
    logits = torch.tensor([0.5, 1.0], requires_grad=True)
    loss = multi_label_loss(logits, torch.full((2,), IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert bool((logits.grad == 0).all())


def test_focal_loss_discounts_what_is_already_right_by_one_minus_p() -> None:
    logits = torch.tensor([2.0])
    plain, focal = (multi_label_loss(logits, torch.ones(1), gamma=gamma) for gamma in (0.0, 2.0))
    assert float(focal / plain) == pytest.approx((1 - float(logits.sigmoid())) ** 2, abs=1e-6)


def test_alpha_weighs_true_labels_against_false_ones() -> None:
    logits = torch.zeros(1)
    true = multi_label_loss(logits, torch.ones(1), alpha=0.7)
    false = multi_label_loss(logits, torch.zeros(1), alpha=0.7)
    assert float(true / false) == pytest.approx(0.7 / 0.3, rel=1e-5)


def test_smoothing_keeps_a_certain_answer_from_being_free() -> None:
    logits = torch.tensor([20.0])
    assert multi_label_loss(logits, torch.ones(1), smoothing=0.1) > 0.5


@given(st.lists(st.tuples(st.floats(-8, 8), st.floats(0, 1)), min_size=1, max_size=9), st.floats(0, 3))
def test_the_loss_is_finite_and_not_negative(pairs: list[tuple[float, float]], gamma: float) -> None:
    logits, targets = (torch.tensor(values) for values in zip(*pairs, strict=True))
    loss = multi_label_loss(logits, targets, gamma=gamma)
    assert torch.isfinite(loss)
    assert float(loss) >= 0


def test_the_listwise_loss_is_the_softmax_cross_entropy_where_one_label_is_true() -> None:
    logits = torch.tensor([0.5, -2.0, 3.0, 1.0, 0.0])
    targets = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0])
    each = [F.cross_entropy(logits[:3], torch.tensor(0)), F.cross_entropy(logits[3:], torch.tensor(1))]
    assert torch.isclose(listwise_loss(logits, targets, [3, 2]), torch.stack(each).mean())


def test_true_labels_do_not_compete_in_the_listwise_loss() -> None:
    targets = torch.tensor([1.0, 1.0, 0.0])
    first = listwise_loss(torch.tensor([2.0, 0.0, 1.0]), targets, [3])
    each = [F.softplus(torch.tensor(1.0 - 2.0)), F.softplus(torch.tensor(1.0 - 0.0))]
    assert torch.isclose(first, torch.stack(each).mean())


def test_the_listwise_loss_ignores_unknown_labels_and_texts_that_say_nothing() -> None:
    logits = torch.tensor([2.0, 0.0, 9.0, 4.0, 5.0], requires_grad=True)
    targets = torch.tensor([1.0, 0.0, IGNORED, 0.0, 0.0])
    loss = listwise_loss(logits, targets, [3, 2])
    assert torch.isclose(loss, F.softplus(torch.tensor(-2.0)))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[2:].tolist() == [0, 0, 0]


def test_partial_labels_raise_the_candidates_together_against_the_rest() -> None:
    logits = torch.zeros(3, requires_grad=True)
    partial_label_loss(logits, torch.tensor([True, True, False]), (3,)).backward()
    assert logits.grad is not None
    assert logits.grad[0] < 0
    assert torch.isclose(logits.grad[0], logits.grad[1])
    assert logits.grad[2] > 0


def test_partial_labels_of_one_candidate_are_the_cross_entropy() -> None:
    logits = torch.tensor([0.3, -1.0, 0.7])
    loss = partial_label_loss(logits, torch.tensor([False, True, False]), (3,))
    assert torch.isclose(loss, F.cross_entropy(logits[None], torch.tensor([1])))


def test_texts_without_candidates_say_nothing() -> None:
    logits = torch.zeros(5, requires_grad=True)
    partial_label_loss(logits, torch.tensor([False, False, True, True, True]), (2, 3)).backward()
    assert logits.grad is not None
    assert bool((logits.grad == 0).all())
