"""Every error of the client, and every code of the brokers, has its meaning."""

from collections.abc import Iterator

import pytest
from aiokafka import errors
from aiokafka.errors import BrokerResponseError, KafkaError
from hypothesis import given
from hypothesis import strategies as st

from worker.kafka.broker_errors import broker_error
from worker.kafka.error_mapping import _CLIENT_ERRORS, _RULES, EVERY_CODE, Operation, Remedy, innermost, judge

GROUP = "moderation"


def subclasses(kind: type[KafkaError]) -> Iterator[type[KafkaError]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


OF_THE_CLIENT = [each for each in subclasses(KafkaError) if each.__module__ == errors.__name__]
BROKER_ERRORS = [each for each in OF_THE_CLIENT if BrokerResponseError in each.__bases__]
CLIENT_ERRORS = [each for each in OF_THE_CLIENT if not issubclass(each, BrokerResponseError)]
REFUSED = [
    (29, Operation.PRODUCE, "allow this user to describe and write topic 'out'"),
    (29, Operation.TRANSACT, "allow this user to describe and write topic 'out'"),
    (29, Operation.FETCH, "allow this user to describe and read topic 'out'"),
    (29, Operation.DESCRIBE, "allow this user to describe topic 'out'"),
    (30, Operation.JOIN, "allow this user to read group 'moderation'"),
    (31, Operation.PRODUCE, "IdempotentWrite"),
    (53, Operation.TRANSACT, "transactional ids that begin with 'moderation-'"),
    (58, Operation.CONNECT, "kafka.security"),
    (23, Operation.JOIN, "kafka.group_id of its own"),
    (26, Operation.JOIN, "kafka.session_timeout_seconds within the brokers' group.min.session.timeout.ms"),
    (81, Operation.JOIN, "group.max.size"),
    (82, Operation.JOIN, "kafka.group_instance_id"),
    (24, Operation.JOIN, "kafka.group_id"),
    (12, Operation.COMMIT, "offset.metadata.max.bytes"),
    (50, Operation.TRANSACT, "transaction.max.timeout.ms"),
    (35, Operation.JOIN, "version"),
    (17, Operation.PRODUCE, "correct topic 'out'"),
]

SILENCE = [TimeoutError(), OSError("reset"), errors.KafkaConnectionError("gone"), errors.KafkaTimeoutError("late")]


def test_every_code_stands_in_a_rule_for_every_operation():
    for code in EVERY_CODE:
        for operation in Operation:
            assert [rule for rule in _RULES if code in rule.codes and operation in rule.operations], (code, operation)
    assert frozenset().union(*(rule.codes for rule in _RULES)) == EVERY_CODE


@pytest.mark.parametrize("error", BROKER_ERRORS, ids=lambda each: each.__name__)
def test_every_broker_error_of_the_client_has_a_rule(error: type[BrokerResponseError]):
    assert error.errno in EVERY_CODE


@pytest.mark.parametrize("error", CLIENT_ERRORS, ids=lambda each: each.__name__)
def test_every_error_that_the_client_raises_of_itself_has_an_entry_of_its_own(error: type[KafkaError]):
    assert error in _CLIENT_ERRORS


@pytest.mark.parametrize(("code", "operation", "words"), REFUSED)
def test_a_broker_that_says_no_ends_the_wait_with_what_to_change(code: int, operation: Operation, words: str):
    judgement = judge(broker_error(code)(), operation, topics=["out"], group_id=GROUP)
    assert (judgement.remedy, judgement.away) == (Remedy.END, False)
    assert words in judgement.words
    assert f"(broker error {code})" in judgement.words


@pytest.mark.parametrize("code", [2, 10, 18, 44, 87])
@pytest.mark.parametrize("operation", [Operation.PRODUCE, Operation.TRANSACT])
def test_what_is_wrong_with_one_record_costs_one_record(code: int, operation: Operation):
    assert judge(broker_error(code)(), operation, topics=["out"]).remedy is Remedy.DEAD_LETTER


@pytest.mark.parametrize("operation", [Operation.FETCH, Operation.JOIN, Operation.COMMIT, Operation.DESCRIBE])
def test_only_what_writes_records_can_be_refused_for_a_record(operation: Operation):
    assert {judge(broker_error(code)(), operation).remedy for code in EVERY_CODE} == {Remedy.RETRY, Remedy.END}


@pytest.mark.parametrize("code", [5, 6, 7, 14, 15, 16, 19, 20, 51, 56, 78, 88, 89])
def test_brokers_in_transition_are_waited_for_without_end(code: int):
    judgement = judge(broker_error(code)(), Operation.PRODUCE)
    assert (judgement.remedy, judgement.away) == (Remedy.RETRY, True)


@pytest.mark.parametrize(
    "error", [TimeoutError(), OSError("reset"), errors.KafkaConnectionError("gone"), errors.KafkaTimeoutError("late")]
)
def test_silence_is_waited_for_without_end(error: Exception):
    judgement = judge(error, Operation.PRODUCE)
    assert (judgement.remedy, judgement.away) == (Remedy.RETRY, True)
    assert type(error).__name__ in judgement.words


@pytest.mark.parametrize("code", [-1, 32, 45, 90, 999])
def test_an_answer_that_nobody_can_explain_is_tried_again_but_is_no_silence(code: int):
    judgement = judge(broker_error(code)(), Operation.PRODUCE)
    assert (judgement.remedy, judgement.away) == (Remedy.RETRY, False)
    assert f"(broker error {code})" in judgement.words


def test_the_topic_that_the_error_names_is_the_one_that_is_named():
    error = errors.TopicAuthorizationFailedError({"refused"})
    assert judge(error, Operation.PRODUCE, topics=["refused", "other"]).words.endswith("write topic 'refused'")


def test_the_group_that_the_error_names_is_the_one_that_is_named():
    error = errors.GroupAuthorizationFailedError("moderation")
    assert judge(error, Operation.JOIN).words.endswith("read group 'moderation'")


@pytest.mark.parametrize(
    "wrapped",
    [
        KafkaError("GroupMaxSizeReachedError()"),
        KafkaError("Unexpected exception in heartbeat task: GroupMaxSizeReachedError()"),
        KafkaError("Unexpected error during coordination KafkaError('GroupMaxSizeReachedError()')"),
    ],
)
def test_an_error_that_the_client_wrapped_is_found_again(wrapped: KafkaError):
    assert innermost(wrapped).__class__ is broker_error(81)


def test_the_cause_of_a_wrapped_error_is_judged():
    wrapped = KafkaError("Unexpected error during batch delivery")
    wrapped.__cause__ = errors.TransactionalIdAuthorizationFailed("moderation-in-0")
    assert judge(wrapped, Operation.TRANSACT, group_id=GROUP).remedy is Remedy.END


@given(st.integers(-(2**15), 2**15 - 1), st.sampled_from(Operation))
def test_any_number_and_any_words_are_judged(code: int, operation: Operation):
    assert str(code) in judge(broker_error(code)(), operation).words
    assert judge(KafkaError(f"{code} {operation}"), operation).remedy is Remedy.RETRY
