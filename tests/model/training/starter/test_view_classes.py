from model.training.starter.phrases.requests import QUESTIONS
from model.training.starter.view_classes import CLINC_DOMAINS, EKMAN, NEGATIVE, POSITIVE, QUESTION_KINDS


def test_no_domain_shares_a_label_with_another() -> None:
    labels = [label for names in CLINC_DOMAINS.values() for label in names.split("|")]
    assert len(labels) == len(set(labels)) == 150


def test_every_question_is_of_one_kind() -> None:
    labels = [label for names in QUESTION_KINDS.values() for label in names.split("|")]
    assert sorted(labels) == sorted(QUESTIONS)


def test_no_emotion_is_in_two_classes() -> None:
    assert not set(POSITIVE) & set(NEGATIVE)
    members = [label for names in EKMAN.values() for label in names]
    assert len(members) == len(set(members))
