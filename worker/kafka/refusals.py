"""What a member of the group makes of the client's errors: to ask again, or to end with what people have to change."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

import structlog
from aiokafka.errors import KafkaError

from schemas.kafka_settings import KafkaSettings
from worker.errors import BrokerRefusalError
from worker.kafka.broker_limits import limits_or_none, refused_settings
from worker.kafka.client_options import client_options
from worker.kafka.error_mapping import Judgement, Operation, Remedy, judge

log = structlog.get_logger(__name__)

ASK_AGAIN_SECONDS = 0.5

Answer = TypeVar("Answer")


class Refusals:
    """Of one group and its topics; the words are those of `error_mapping`."""

    def __init__(self, topics: Collection[str], settings: KafkaSettings) -> None:
        self._topics = topics
        self._settings = settings

    async def of_joining(self, error: KafkaError) -> BrokerRefusalError | None:
        """Why the group takes no such member, with the brokers' limits where they can be read; None if it may later."""
        judgement = self._judge(error, Operation.JOIN)
        if judgement.remedy is not Remedy.END:
            return None
        limits = await limits_or_none(client_options(self._settings), self._settings.request_timeout_seconds)
        return BrokerRefusalError("; ".join([judgement.words, *refused_settings(self._settings, None, limits)]))

    def ending(self, error: Exception, operation: Operation) -> Exception:
        """The error that ends the worker: with what people have to change, if a broker refuses something for good."""
        judgement = self._judge(error, operation)
        if not isinstance(error, KafkaError) or judgement.remedy is not Remedy.END:
            return error
        refusal = BrokerRefusalError(judgement.words)
        refusal.__cause__ = error
        return refusal

    async def asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The brokers' answer, asked for until the time limit around it: one that dies takes its questions along."""
        while True:
            try:
                return await ask()
            except KafkaError as error:
                if self._judge(error, Operation.FETCH).remedy is not Remedy.RETRY:
                    raise
                log.info("the brokers are asked again", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(ASK_AGAIN_SECONDS)

    def _judge(self, error: BaseException, operation: Operation) -> Judgement:
        return judge(error, operation, topics=self._topics, group_id=self._settings.group_id)
