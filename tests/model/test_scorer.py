import gc
import logging
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.parity import label_sets, texts
from support.reference import tiny_bert, write_reference
from support.tiny_checkpoint import write_tiny_checkpoint

from model import LabelSet, LabelSetError, ModelError, Scorer
from model.checkpoint import load_checkpoint
from model.precision import set_precision

WINDOW = 512


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reference(tmp_path_factory.mktemp("uni"), pooling_strategy="avg", scorer_type="mlp")


@pytest.fixture(scope="module", params=["uni-encoder", "bi-encoder"])
def scorer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    label_encoder = tiny_bert() if request.param == "bi-encoder" else None
    folder = write_reference(
        tmp_path_factory.mktemp(request.param),
        architecture_type=request.param,
        label_encoder=label_encoder,
        pooling_strategy="avg",
    )
    return Scorer.load(folder, dtype="float32", max_tokens=WINDOW)


@settings(max_examples=20)
@given(st.lists(st.tuples(texts, st.lists(label_sets, max_size=2)), max_size=6), st.randoms())
def test_a_score_does_not_depend_on_its_neighbours(scorer: Scorer, batch: list, shuffler) -> None:
    prepared = [(text, [scorer.prepare(label_set) for label_set in wanted]) for text, wanted in batch]
    encoded = [scorer.encode(text, wanted) for text, wanted in prepared]
    alone = [scorer.score([one])[0] for one in encoded]
    order = list(range(len(batch)))
    shuffler.shuffle(order)
    together = scorer.score([encoded[index] for index in order])
    for place, index in enumerate(order):
        assert len(together[place]) == len(batch[index][1])
        for expected, actual in zip(alone[index], together[place], strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_scores_come_back_as_asked(scorer: Scorer) -> None:
    two, three = (scorer.prepare(LabelSet(tuple(f"{count}{index}" for index in range(count)))) for count in (2, 3))
    results = scorer.score(
        [scorer.encode("first", [three, two, three]), scorer.encode("none", []), scorer.encode("second", [two])]
    )
    assert [[logits.shape for logits in of_text] for of_text in results] == [[(3,), (2,), (3,)], [], [(2,)]]
    np.testing.assert_array_equal(results[0][0], results[0][2])
    assert scorer.score([]) == []


def test_encoding_runs_on_many_threads_alike(scorer: Scorer) -> None:
    prepared = [scorer.prepare(LabelSet(("a", "b")))]
    inputs = [f"text number {index} " * (index % 7) for index in range(60)]
    expected = [scorer.encode(text, prepared).passes[0].token_ids.tolist() for text in inputs]
    with ThreadPoolExecutor(8) as pool:
        encoded = list(pool.map(lambda text: scorer.encode(text, prepared), inputs))
    assert [one.passes[0].token_ids.tolist() for one in encoded] == expected


def test_a_prepared_label_set_is_kept_only_while_someone_holds_it(scorer: Scorer) -> None:
    first = scorer.prepare(LabelSet(("kept", "or not")))
    assert scorer.prepare(LabelSet(("kept", "or not"))) is first
    held = weakref.ref(first)
    del first
    gc.collect()
    assert held() is None


def test_a_malformed_label_set_is_refused_when_it_is_prepared(scorer: Scorer) -> None:
    with pytest.raises(LabelSetError, match="labels is empty"):
        scorer.prepare(LabelSet(()))


def test_truncation_is_counted_in_tokens(scorer: Scorer) -> None:
    prepared = [scorer.prepare(LabelSet(("a", "b")))]
    short = scorer.encode("a b c", prepared)
    assert short.truncated_token_count == 0
    room = WINDOW - (short.token_count - 3)
    assert scorer.encode("a " * room, prepared).truncated_token_count == 0
    assert scorer.encode("a " * (room + 5), prepared).truncated_token_count == 5


def poison(model: torch.nn.Module) -> None:
    model.get_parameter("model.text_projector.linear_2.bias").data.fill_(torch.nan)


def test_logits_that_are_not_finite_are_an_error(folder: Path) -> None:
    scorer = Scorer.load(folder, dtype="float32")
    poison(scorer._model)
    with pytest.raises(ModelError, match="not finite"):
        scorer.score([scorer.encode("text", [scorer.prepare(LabelSet(("a",)))])])


def test_a_checkpoint_that_gives_no_finite_logits_is_refused_when_it_is_loaded(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    poison(checkpoint.model)
    with pytest.raises(ModelError, match="not finite"):
        Scorer(checkpoint, dtype="float32")


def test_a_dtype_without_finite_logits_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overflowing(architecture: torch.nn.Module, dtype: torch.dtype) -> None:
        set_precision(architecture, dtype)
        if dtype == torch.bfloat16:
            architecture.get_parameter("text_projector.linear_2.bias").data.fill_(torch.inf)

    monkeypatch.setattr("model.scorer.set_precision", overflowing)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert Scorer.load(folder).dtype == torch.float32
    with pytest.raises(ModelError, match="changes a probability by inf"):
        Scorer.load(folder, dtype="bfloat16")


def test_bfloat16_is_used_within_the_limit_and_says_how_far_it_is_off(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        scorer = Scorer.load(folder, dtype="bfloat16", deviation_limit=0.5)
    assert scorer.dtype == torch.bfloat16
    assert 0 < scorer.deviation <= 0.5
    assert "changes probabilities by at most" in caplog.text
    exact = Scorer.load(folder, dtype="float32")
    assert exact.deviation < 1e-6
    assert (exact.dtype_name, scorer.dtype_name) == ("float32", "bfloat16")
    label_set = LabelSet(("a", "b"))
    [[rounded]], [[logits]] = (one.score([one.encode("text", [one.prepare(label_set)])]) for one in (scorer, exact))
    assert rounded.dtype == np.float32
    np.testing.assert_allclose(rounded, logits, atol=0.5)


def test_beyond_the_limit_auto_falls_back_to_float32_with_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    scorer = Scorer.load(folder, deviation_limit=0.0)
    assert scorer.dtype == torch.float32
    assert "bfloat16 changes a probability by" in caplog.text
    assert "more than the limit 0.000" in caplog.text


def test_beyond_the_limit_a_named_dtype_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="more than deviation_limit 0"):
        Scorer.load(folder, dtype="bfloat16", deviation_limit=0.0)


def test_the_number_of_threads_is_set(folder: Path) -> None:
    before = torch.get_num_threads()
    try:
        Scorer.load(folder, dtype="float32", threads=before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_loading_leaves_the_checkpoint_as_it_is(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    Scorer(checkpoint, dtype="bfloat16", deviation_limit=1.0)
    assert {parameter.dtype for parameter in checkpoint.model.parameters()} == {torch.float32}
    assert all(parameter.requires_grad for parameter in checkpoint.model.parameters())


def test_a_window_too_small_for_any_label_set_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="max_tokens 16 is too small"):
        Scorer.load(folder, max_tokens=16)


def test_a_large_batch_is_run_in_parts_that_fit_the_cache(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = [scorer.prepare(LabelSet(("a", "b")))]
    encoded = [scorer.encode("word " * count, prepared) for count in (1, 90, 30, 2, 60)]
    expected = scorer.score(encoded)
    monkeypatch.setattr("model.scorer.MICROBATCH_STATE_BYTES", 100 * scorer._widest_state * 4)
    passes = [one.passes[0] for one in encoded]
    parts = scorer._microbatches(passes)
    assert len(parts) > 2
    assert [text_pass for part in parts for text_pass in part] == passes
    for actual, wanted in zip(scorer.score(encoded), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=1e-5)


@pytest.mark.parametrize("exclusive", [False, True])
def test_classify_gives_the_probabilities_of_the_logits_by_label(scorer: Scorer, exclusive: bool) -> None:
    labels, asked = ["billing", "shipping", "praise"], ["Where is my parcel?", "thanks", "a" * 3000]
    prepared = scorer.prepare(LabelSet(tuple(labels)))
    for text, scores in zip(asked, scorer.classify(asked, labels, exclusive=exclusive), strict=True):
        [[logits]] = scorer.score([scorer.encode(text, [prepared])])
        exact = torch.from_numpy(logits).double()
        expected = exact.softmax(0) if exclusive else exact.sigmoid()
        assert list(scores) == labels
        np.testing.assert_allclose(list(scores.values()), expected.numpy(), rtol=0, atol=1e-5)


def test_classify_takes_one_text_and_a_whole_label_set(scorer: Scorer) -> None:
    described = LabelSet(("billing", "praise"), ("money", None))
    assert scorer.classify("thanks", described) == scorer.classify(["thanks"], described)[0]
    assert scorer.classify([], ["billing"]) == []


def test_the_starter_is_built_and_loaded_with_what_load_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tiny_checkpoint(tmp_path / "starter", architecture="bi-encoder")
    monkeypatch.setattr("model.scorer.build_starter", lambda: folder)
    scorer = Scorer.starter(dtype="float32", max_tokens=64)
    assert (scorer.digest, scorer.max_tokens) == (load_checkpoint(folder).digest, 64)
