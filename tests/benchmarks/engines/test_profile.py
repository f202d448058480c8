import pytest
import torch

from benchmarks.engines.profile import time_shares


def test_each_kind_of_work_is_counted_where_it_belongs() -> None:
    linear, states = torch.nn.Linear(256, 256), torch.randn(512, 256)
    heads = torch.randn(8, 128, 64)

    def products() -> object:
        return linear(states)

    def attention() -> object:
        return torch.bmm(torch.bmm(heads, heads.mT).softmax(-1), heads)

    with torch.inference_mode():
        of_products, of_attention = time_shares(products), time_shares(attention)
    assert sum(of_products.values()) == pytest.approx(1)
    assert of_products["linear"] > of_products["attention"] == 0
    assert of_attention["attention"] > of_attention["linear"] == 0
