"""The brokers' errors that the client has no class for."""

import pytest
from aiokafka import errors

from worker.kafka.broker_errors import ERRORS_WITHOUT_CLASS, broker_error, name_every_broker_error


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "kafka_errors", dict(errors.kafka_errors))
    name_every_broker_error()


@pytest.mark.parametrize("code", ERRORS_WITHOUT_CLASS)
def test_the_client_raises_each_error_under_its_name_and_number(code: int):
    error = errors.for_code(code)
    assert error is broker_error(code)
    assert (error.errno, error.message) == (code, ERRORS_WITHOUT_CLASS[code])
    assert error.__name__.removesuffix("Error").upper() in ERRORS_WITHOUT_CLASS[code].replace("_", "")
    assert str(error()).startswith(f"[Error {code}] ")


def test_errors_that_the_client_knows_stay_its_own():
    assert errors.for_code(29) is errors.TopicAuthorizationFailedError
    assert errors.for_code(0) is errors.NoError
    assert errors.for_code(-1) is errors.UnknownError


def test_a_code_that_nobody_knows_keeps_its_number_and_its_class():
    assert str(errors.for_code(4711)()) == "[Error 4711] Unnamed4711Error"
    assert errors.for_code(4711) is errors.for_code(4711)


def test_naming_them_twice_changes_nothing():
    before = errors.for_code(87)
    name_every_broker_error()
    assert errors.for_code(87) is before
