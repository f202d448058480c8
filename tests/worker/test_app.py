import socket

import pytest
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from structlog.testing import capture_logs

from model.errors import CheckpointError
from worker.app import _log_ends, instance_id
from worker.errors import DeviceError, FloodError, PolicyError


def status_of(*errors: Exception) -> int:
    with capture_logs() as logs:
        status = _log_ends(BaseExceptionGroup("worker", [BaseExceptionGroup("stage", list(errors))]))
    assert [entry["reason"] for entry in logs] == [str(error) for error in errors]
    return status


@pytest.mark.parametrize("error", [FloodError("a flood"), KafkaError("a broker"), CheckpointError("a checkpoint")])
def test_what_a_restart_may_mend_ends_with_status_1(error: Exception):
    assert status_of(error) == 1


def test_what_people_have_to_correct_ends_with_status_2_whatever_else_failed():
    assert status_of(DeviceError("gone"), PolicyError(["tenants.shop: no label"])) == 2


def test_what_nobody_foresaw_is_raised_with_its_stack():
    with pytest.raises(BaseExceptionGroup) as raised:
        _log_ends(BaseExceptionGroup("worker", [FloodError("a flood"), ZeroDivisionError("oops")]))
    assert raised.group_contains(ZeroDivisionError)
    assert not raised.group_contains(FloodError)


def test_every_process_has_an_instance_id_of_its_own():
    first, second = instance_id(), instance_id()
    assert first != second
    assert first.startswith(f"{socket.gethostname()}-")


def test_an_error_of_the_client_that_nobody_expected_is_logged_with_what_to_change():
    with capture_logs() as logs:
        assert _log_ends(BaseExceptionGroup("worker", [TopicAuthorizationFailedError("in")])) == 1
    (entry,) = logs
    words = "TopicAuthorizationFailedError (broker error 29): allow this user to describe and read topic 'in'"
    assert entry["reason"] == words
