"""Three Apache Kafka brokers whose failures are at the test's command, and the network between them and the workers."""

import asyncio
import shutil
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from aiokafka.errors import KafkaError
from support.faults.proxy import Proxies
from support.kafka import admin_client

from worker.demo.kafka_properties import FAST_FAILOVER, Listener
from worker.demo.local_kafka import LocalKafka

BROKERS = 3
THROUGH_PROXIES, WITH_LOGIN = "PROXIED", "LOGIN"
USER, PASSWORD = "worker", "correct-horse"
PROPERTIES = {
    **FAST_FAILOVER,
    # Cleaning is on demand within a second, or a test of compacted topics would wait fifteen.
    "log.cleaner.backoff.ms": "1000",
    # Everybody without a login may do everything; rights are only ever taken from the user `worker`.
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
    "super.users": "User:ANONYMOUS",
}
LOGIN = {
    "sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
}


class Cluster:
    """A replicated cluster for as long as the `with` block lasts. Replication is 3, of which 2 must be in sync."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self.proxies = Proxies(BROKERS)

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(self.proxies)
            listeners = {
                THROUGH_PROXIES: Listener(advertised_ports=self.proxies.ports),
                WITH_LOGIN: Listener("SASL_PLAINTEXT", LOGIN),
            }
            self.kafka = held.enter_context(
                LocalKafka(BROKERS, properties=PROPERTIES, listeners=listeners, scram_users={USER: PASSWORD})
            )
            for number, proxy in self.proxies.proxies.items():
                proxy.connect_to(self.kafka.port(number, THROUGH_PROXIES))
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    @property
    def bootstrap_servers(self) -> str:
        """The direct way, which no fault of the network disturbs."""
        return self.kafka.bootstrap_servers

    async def restore(self) -> None:
        """Undo every fault: all brokers run and answer, nothing is held or cut."""
        self.proxies.heal()
        running = set(self.kafka.running)
        for broker in running:
            self.kafka.thaw_broker(broker)
        for broker in set(self.kafka.brokers) - running:
            self.kafka.start_broker(broker, wait=False)
        for broker in set(self.kafka.brokers) - running:
            await asyncio.to_thread(self.kafka.wait_ready, broker)

    async def in_sync(self, timeout_seconds: float = 60.0) -> None:
        """Wait until every replica of every partition has caught up; before, a further fault is more than one."""
        async with admin_client(self.bootstrap_servers) as admin, asyncio.timeout(timeout_seconds):
            while True:
                topics = await admin.describe_topics()
                if all(len(each["isr"]) == BROKERS for topic in topics for each in topic["partitions"]):
                    return
                await asyncio.sleep(0.2)

    async def coordinator(self, key: str, *, transactions: bool = False) -> int:
        """The broker that coordinates a group, or the transactions of a transactional id."""
        async with admin_client(self.bootstrap_servers) as admin, asyncio.timeout(30):
            while True:
                try:
                    return await admin.find_coordinator(key, int(transactions))
                except KafkaError:  # while it is being elected
                    await asyncio.sleep(0.2)

    def save_logs(self, folder: Path) -> None:
        """Copy what the brokers have written so far."""
        for file in self.kafka.log_files:
            shutil.copy(file, folder)
