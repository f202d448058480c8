"""A client that goes back to its bootstrap servers: aiokafka asks them once, and later only the brokers it knows.

Brokers that come back under other addresses, all at once, would never be found again.
"""

import asyncio
from collections.abc import Collection

import structlog
from aiokafka.admin import client as admin
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import create_conn
from aiokafka.consumer import consumer
from aiokafka.errors import KafkaError
from aiokafka.producer import producer
from aiokafka.protocol.metadata import MetadataRequest

log = structlog.get_logger(__name__)


def bootstrap_again() -> None:
    """Let every client that this process makes from now on do so when no broker it knows answers."""
    consumer.AIOKafkaClient = producer.AIOKafkaClient = admin.AIOKafkaClient = ClusterClient


class ClusterClient(AIOKafkaClient):
    """What consumers, producers and admin clients are built on."""

    async def _metadata_update(self, cluster_metadata: ClusterMetadata, topics: Collection[str]) -> bool:
        if await super()._metadata_update(cluster_metadata, topics):
            return True
        for host, port, _ in self.hosts:
            try:
                found = await self._ask(host, port, cluster_metadata, topics)
            except (OSError, KafkaError, TimeoutError) as error:
                log.debug("a bootstrap server does not answer", server=f"{host}:{port}", error=str(error))
                continue
            if found:
                log.info("no known broker answered; the bootstrap servers name them anew", server=f"{host}:{port}")
                return True
        return False

    async def _ask(self, host: str, port: int, cluster_metadata: ClusterMetadata, topics: Collection[str]) -> bool:
        """Learn of the brokers and of these topics; of fewer topics the group would take the rest for deleted."""
        # Within one limit, for a server that takes connections and says nothing must not keep the others waiting.
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
