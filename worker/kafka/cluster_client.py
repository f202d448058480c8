"""A client that outlives changes of addresses and credentials, both of which aiokafka's own takes once, at its start.

Brokers that come back under other addresses, all at once, would never be found again, and a replaced password would
never be read.
"""

import asyncio
import time
from collections.abc import Collection
from typing import Any, ClassVar

import structlog
from aiokafka.admin import client as admin
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.consumer import consumer
from aiokafka.errors import KafkaError
from aiokafka.producer import producer
from aiokafka.protocol.metadata import MetadataRequest

from schemas.kafka_settings import KafkaSettings
from worker.kafka.connection_log import ConnectionFailure, connection_failure
from worker.kafka.credentials import Credentials, LoginRefused

log = structlog.get_logger(__name__)


def use_cluster_client(kafka: KafkaSettings) -> None:
    """Build every client that this process makes from now on, all of one cluster, on `ClusterClient`.

    Raises ConfigurationError where a file of the credentials is unusable.
    """
    ClusterClient.credentials = Credentials(kafka)
    consumer.AIOKafkaClient = producer.AIOKafkaClient = admin.AIOKafkaClient = ClusterClient


class ClusterClient(AIOKafkaClient):
    """What consumers, producers and admin clients are built on."""

    credentials: ClassVar[Credentials | None] = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.refused: LoginRefused | None = None

    async def bootstrap(self) -> None:
        """See aiokafka; with the credentials of now."""
        self._renew()
        await super().bootstrap()

    async def _get_conn(self, node_id: Any, **options: Any) -> AIOKafkaConnection | None:
        known = self._conns.get((node_id, options.get("group", ConnectionGroup.DEFAULT)))
        if known is None or not known.connected():
            self._renew()
        return await super()._get_conn(node_id, **options)

    def _renew(self) -> None:
        """Let the next connection log in with what the files hold now."""
        if self.credentials is not None:
            for name, value in self.credentials.current().items():
                setattr(self, f"_{name}", value)

    async def _metadata_update(self, cluster_metadata: ClusterMetadata, topics: Collection[str]) -> bool:
        if await super()._metadata_update(cluster_metadata, topics):
            self.refused = None
            return True
        refusal: ConnectionFailure | None = None
        for host, port, _ in self.hosts:
            server = f"{host}:{port}"
            try:
                found = await self._ask(host, port, cluster_metadata, topics)
            except (OSError, KafkaError, TimeoutError) as error:
                log.debug("a bootstrap server does not answer", server=server, error=str(error))
                failure = connection_failure(error, server)
                refusal = failure if failure.permanent else refusal
                continue
            if found:
                log.info("no known broker answered; the bootstrap servers name them anew", server=server)
                self.refused = None
                return True
        self._refused(refusal)
        return False

    def _refused(self, refusal: ConnectionFailure | None) -> None:
        """Remember since when the login is refused; brokers that are merely away refuse nothing."""
        if refusal is None:
            self.refused = None
        elif self.refused is None:
            replaceable = self.credentials is not None and self.credentials.replaceable
            self.refused = LoginRefused(time.monotonic(), str(refusal), replaceable=replaceable)
            log.error("the brokers refuse this client", reason=str(refusal), waits_for_replaced_files=replaceable)

    async def _ask(self, host: str, port: int, cluster_metadata: ClusterMetadata, topics: Collection[str]) -> bool:
        """Learn of the brokers and of these topics; of fewer topics the group would take the rest for deleted."""
        # Within one limit, for a server that takes connections and says nothing must not keep the others waiting.
        self._renew()
        async with asyncio.timeout(self._request_timeout_ms / 1000):
            connection = await create_conn(
                host,
                port,
                client_id=self._client_id,
                request_timeout_ms=self._request_timeout_ms,
                ssl_context=self._ssl_context,
                security_protocol=self._security_protocol,
                sasl_mechanism=self._sasl_mechanism,
                sasl_plain_username=self._sasl_plain_username,
                sasl_plain_password=self._sasl_plain_password,
            )
            try:
                metadata = await connection.send(MetadataRequest(list(topics) or None))
            finally:
                connection.close()
        if metadata is None or not metadata.brokers:
            return False
        cluster_metadata.update_metadata(metadata)
        return True
