import json
from pathlib import Path
from typing import Any

import pytest
from support.reference import tiny_bert, write_reference

from model.configuration import GliclassConfig
from model.errors import CheckpointError


def minimal(**fields: Any) -> dict[str, Any]:
    return {"model_type": "GLiClass", "encoder_config": tiny_bert().to_dict(), **fields}


def test_fields_that_an_old_checkpoint_lacks_take_the_reference_defaults() -> None:
    config = GliclassConfig.from_dict(minimal())
    vocabulary = tiny_bert().vocab_size
    assert (config.class_token_index, config.text_token_index, config.example_token_index) == (
        vocabulary,
        vocabulary + 1,
        vocabulary + 2,
    )
    assert (config.hidden_size, config.vocab_size) == (32, vocabulary)
    assert (config.architecture_type, config.pooling_strategy, config.scorer_type) == ("uni-encoder", "first", "simple")
    assert not config.prompt_first


def test_an_encoder_without_a_model_type_is_deberta() -> None:
    config = GliclassConfig.from_dict({"model_type": "GLiClass", "encoder_config": {"hidden_size": 24}})
    assert config.encoder_config.model_type == "deberta-v2"
    assert config.encoder_size == 24


def test_the_outer_vocabulary_size_wins_over_the_encoders() -> None:
    config = GliclassConfig.from_dict(minimal(vocab_size=400))
    assert config.encoder_config.vocab_size == 400


def test_unknown_fields_are_kept_and_written_back() -> None:
    config = GliclassConfig.from_dict(minimal(shuffle_labels=True))
    assert config.to_dict()["shuffle_labels"] is True


def test_writing_and_reading_changes_nothing(tmp_path: Path) -> None:
    folder = write_reference(tmp_path, scorer_type="mlp", normalize_features=True)
    config = GliclassConfig.read(folder)
    again = GliclassConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again.to_dict() == config.to_dict()


def test_the_label_model_is_read_only_where_it_is_named() -> None:
    values = minimal(label_model_config=tiny_bert(hidden_size=48).to_dict())
    assert GliclassConfig.from_dict(values).label_model_config is None
    named = GliclassConfig.from_dict(values | {"label_model_name": "labels"})
    assert named.label_model_config is not None
    assert named.label_model_config.hidden_size == 48


def test_recurrence_may_run_without_a_halting_threshold() -> None:
    assert GliclassConfig.from_dict(minimal(recurrent_halt_threshold=None)).recurrent_halt_threshold is None
    assert GliclassConfig.from_dict(minimal()).recurrent_halt_threshold == 0.01


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"encoder_config": {"model_type": "qwen2"}}, "'qwen2': LLM2Vec"),
        ({"encoder_config": {"model_type": "llama"}}, "'llama': LLM2Vec"),
        ({"encoder_config": {"model_type": "never-heard-of"}}, "encoder_config.model_type 'never-heard-of' is unknown"),
        ({"encoder_config": "bert"}, "encoder_config is str, not an object"),
        ({"squeeze_layers": True}, "squeeze_layers: layer-wise checkpoints"),
        ({"multimodal": True}, "multimodal: images and audio"),
        ({"encoder_layer_id": 3}, "encoder_layer_id 3"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        GliclassConfig.from_dict(minimal() | fields)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; a checkpoint folder holds"),
        ("{", "cannot be read as JSON"),
        ("[]", "model_type is 'list'"),
        ('{"model_type": "bert"}', "model_type is 'bert', not 'GLiClass'"),
        ('{"model_type": "GLiClass", "multimodal": true}', r"config\.json: multimodal"),
    ],
)
def test_a_bad_file_is_refused_with_its_path(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        GliclassConfig.read(tmp_path)
    assert str(tmp_path / "config.json") in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": "wide"}, "hidden_size is 'wide'; it must be of type int"),
        ({"prompt_first": 1}, "prompt_first is 1; it must be of type bool"),
        ({"logit_scale_init_value": "a"}, "logit_scale_init_value is 'a'; it must be of type float"),
        ({"scorer_type": 3}, "scorer_type is 3; it must be of type str"),
        ({"encoder_config": {"model_type": "bert", "hidden_size": "wide"}}, "encoder_config is not a bert config: "),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        GliclassConfig.from_dict(minimal(**fields))


def test_a_whole_number_will_do_for_a_float_and_labels_are_allocated_by_word_or_number() -> None:
    config = GliclassConfig.from_dict(minimal(focal_loss_gamma=-1, max_labels_alloc=30))
    assert (config.focal_loss_gamma, config.max_labels_alloc) == (-1, 30)
