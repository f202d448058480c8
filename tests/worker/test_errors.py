import inspect

import pytest

from worker import errors
from worker.errors import ConfigurationError, ExitStatus, PolicyError, WorkerError

EVERY_ERROR = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, WorkerError)]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.__name__)
def test_every_error_has_a_status_that_is_no_success_and_says_what_it_means(error: type[WorkerError]):
    assert error.exit_status in (ExitStatus.FAILED, ExitStatus.BAD_CONFIGURATION)
    assert inspect.getdoc(error)


def test_statuses_are_what_orchestrators_were_promised():
    assert [int(status) for status in ExitStatus] == [0, 1, 2, 70, 130]


def test_a_configuration_error_names_its_source_on_every_line():
    error = ConfigurationError("config.yaml", ["kafka: is required", "input: is required"])
    assert str(error) == "config.yaml: kafka: is required\nconfig.yaml: input: is required"
    assert error.exit_status == 2


def test_a_policy_error_has_a_line_for_each_place():
    assert str(PolicyError(["tenants.a: one", "tenants.b: two"])) == "tenants.a: one\ntenants.b: two"
