"""Credentials are read again when a file changed, and a refusal is final when nobody replaced them in time."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tls import make_certificates

from schemas.kafka_settings import KafkaSettings
from worker.kafka.client_options import client_options
from worker.kafka.credentials import UNREPLACEABLE_SECONDS, Credentials, LoginRefused

SECONDS = st.floats(0, 1e6)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("first\n")
    return file


def settings(**password: object) -> KafkaSettings:
    login = {"protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "username": "worker", **password}
    return KafkaSettings.model_validate({"bootstrap_servers": ["kafka:9092"], "security": login})


def test_a_password_file_is_read_again_only_when_it_was_replaced(password_file: Path):
    read: list[KafkaSettings] = []

    def counted(kafka: KafkaSettings) -> dict[str, object]:
        read.append(kafka)
        return client_options(kafka)

    credentials = Credentials(settings(password_file=password_file), counted)
    assert [credentials.current() for _ in range(3)] == [{"sasl_plain_password": "first"}] * 3
    assert len(read) == 1
    replaced = password_file.with_name("new")
    replaced.write_text("second\n")
    replaced.replace(password_file)
    assert credentials.current() == {"sasl_plain_password": "second"}


def test_a_mounted_secret_is_followed_through_its_links(tmp_path: Path):
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "password").write_text(version)
    data, file = tmp_path / "..data", tmp_path / "password"
    data.symlink_to("one")
    file.symlink_to("..data/password")
    credentials = Credentials(settings(password_file=file))
    assert credentials.current() == {"sasl_plain_password": "one"}
    data.unlink()
    data.symlink_to("two")
    assert credentials.current() == {"sasl_plain_password": "two"}


def test_replaced_certificates_make_another_context_for_the_next_connection(tmp_path: Path):
    made, others = make_certificates(tmp_path / "first"), make_certificates(tmp_path / "second")
    security = {
        "protocol": "SSL",
        "ca_file": made.ca,
        "certificate_file": made.client_certificate,
        "key_file": made.client_key,
    }
    credentials = Credentials(KafkaSettings.model_validate({"bootstrap_servers": ["kafka:9092"], "security": security}))
    before = credentials.current()["ssl_context"]
    assert credentials.current()["ssl_context"] is before
    made.client_key.write_bytes(others.client_key.read_bytes())
    assert credentials.current()["ssl_context"] is before, "half of a pair"
    made.client_certificate.write_bytes(others.client_certificate.read_bytes())
    assert credentials.current()["ssl_context"] is not before


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"\xff\xfe")], ids=["gone", "binary"])
def test_a_file_that_cannot_be_used_leaves_the_last_good_one_in_force(password_file: Path, damage):
    credentials = Credentials(settings(password_file=password_file))
    damage(password_file)
    assert credentials.current() == {"sasl_plain_password": "first"}
    password_file.write_text("third")
    assert credentials.current() == {"sasl_plain_password": "third"}


def test_only_what_files_hold_can_be_replaced(password_file: Path):
    assert Credentials(settings(password_file=password_file)).replaceable
    assert not Credentials(settings(password="inline")).replaceable


@given(since=SECONDS, waited=SECONDS, patience=SECONDS)
def test_a_refusal_is_final_after_the_patience_and_soon_where_no_file_can_be_replaced(since, waited, patience):
    now = since + waited
    files, inline = (LoginRefused(since, "refused", replaceable=each) for each in (True, False))
    assert files.is_final(now, patience) == (now - since >= patience)
    assert inline.is_final(now, patience) == (now - since >= min(patience, UNREPLACEABLE_SECONDS))
