"""A broker that demands certificates, logins and rights, and the settings of clients that have them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from support.kafka import admin_client
from support.tls import Certificates, make_certificates

from worker.demo.kafka_properties import Listener
from worker.demo.local_kafka import LocalKafka

PASSWORD = "correct-horse"
USERS = {"worker": PASSWORD, "stranger": PASSWORD}
LITERAL, ALLOW = 3, 3


class Resource(IntEnum):
    TOPIC = 2
    GROUP = 3
    TRANSACTIONAL_ID = 5


class Operation(IntEnum):
    READ = 3
    WRITE = 4
    DESCRIBE = 8


class Guarded(NamedTuple):
    """A broker where `worker` may do everything and `stranger` nothing but what a test allows."""

    kafka: LocalKafka
    certificates: Certificates
    others: Certificates

    def with_files(self, security: dict[str, Any]) -> dict[str, Any]:
        """Security settings with the names of certificates replaced by their files."""
        files = {
            "ca": self.certificates.ca,
            "other": self.others.ca,
            "certificate": self.certificates.client_certificate,
            "key": self.certificates.client_key,
        }
        return {name: str(files.get(value, value)) for name, value in security.items()}

    async def allow(self, resource: Resource, name: str, *operations: Operation) -> None:
        """Give `stranger` rights on one topic or group."""
        async with admin_client(self.kafka.bootstrap_servers) as admin:
            for operation in operations:
                request = CreateAclsRequest(resource, name, LITERAL, "User:stranger", "*", operation, ALLOW)
                answer = (await admin._send_request(request)).to_object()["creation_responses"]
                assert [each["error_code"] for each in answer] == [0], answer

    async def revoke(self, resource: Resource, name: str, operation: Operation) -> None:
        """Take a right from `stranger` that it was given on one topic or group."""
        async with admin_client(self.kafka.bootstrap_servers) as admin:
            request = DeleteAclsRequest(resource, name, LITERAL, "User:stranger", "*", operation, ALLOW)
            (answer,) = (await admin._send_request(request)).to_object()["filter_responses"]
            assert (answer["error_code"], len(answer["matching_acls"])) == (0, 1), answer


@contextmanager
def guarded_kafka(folder: Path) -> Iterator[Guarded]:
    certificates = make_certificates(folder / "known")
    expired = make_certificates(folder / "expired", valid_until=datetime.now(UTC) - timedelta(days=1))
    listeners = {
        "SASL": Listener("SASL_PLAINTEXT", _scram("SCRAM-SHA-256")),
        "SASLTLS": Listener("SASL_SSL", {**_scram("SCRAM-SHA-512"), **_key_store(certificates)}),
        "MUTUAL": Listener(
            "SSL",
            {
                **_key_store(certificates),
                "ssl.client.auth": "required",
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(certificates.ca),
            },
        ),
        "EXPIRED": Listener("SSL", _key_store(expired)),
    }
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:worker;User:CN=client",
    }
    with LocalKafka(properties=properties, scram_users=USERS, listeners=listeners) as kafka:
        yield Guarded(kafka, certificates, expired)


def login(protocol: str, mechanism: str, **changes: Any) -> dict[str, Any]:
    """Security settings of a user with a password."""
    return {
        "protocol": protocol,
        "sasl_mechanism": mechanism,
        "username": "worker",
        "password": PASSWORD,
        **changes,
    }


def _key_store(certificates: Certificates) -> dict[str, str]:
    return {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(certificates.broker_store)}


def _scram(mechanism: str) -> dict[str, str]:
    module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {"sasl.enabled.mechanisms": mechanism, f"{mechanism.lower()}.sasl.jaas.config": module}
