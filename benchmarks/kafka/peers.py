"""What people write today to classify a topic with GLiClass, each as a program of its own.

    python -m benchmarks.kafka.peers {one_by_one,getmany,faststream} --job FILE

An aiokafka loop that calls the `gliclass` pipeline message by message, one that calls it with what `getmany` returns,
and a FastStream batch subscriber. All call the pipeline in a thread, so that heartbeats go on, and commit after
publishing.
"""

import argparse
import asyncio
import contextlib
import io
import json
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

KINDS = ("one_by_one", "getmany", "faststream")
POLL_MS = 100
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """What a peer is told."""

    bootstrap_servers: str
    input_topic: str
    output_topic: str
    group_id: str
    checkpoint: str
    labels: dict[str, list[str]]
    batch_messages: int
    threads: int | None

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))


class Classifier:
    """The `gliclass` pipeline as its documentation shows it, with a label set per text."""

    def __init__(self, checkpoint: str, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        logging.getLogger("transformers").setLevel(logging.ERROR)
        with contextlib.redirect_stderr(io.StringIO()):
            import gliclass
            from gliclass import pipeline as pipelines

            model = gliclass.GLiClassModel.from_pretrained(checkpoint, dtype=torch.float32).eval()
            self._pipeline = pipelines.UniEncoderZeroShotClassificationPipeline(
                model, checkpoint, max_length=1024, device="cpu", progress_bar=False
            )

    def classify(self, texts: Sequence[str], labels: Sequence[Sequence[str]]) -> list[list[dict[str, Any]]]:
        """Labels and scores above the threshold, per text; all texts in one padded batch."""
        with torch.inference_mode():
            return self._pipeline(
                list(texts), [list(one) for one in labels], threshold=THRESHOLD, batch_size=len(texts)
            )


class Peer:
    """One job with its classifier."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._classifier = Classifier(job.checkpoint, job.threads)

    async def classified(self, messages: Sequence[dict[str, Any]]) -> list[bytes]:
        """The output records of these messages."""
        labels = [self.job.labels[message["tenant"]] for message in messages]
        texts = [message["text"] for message in messages]
        results = await asyncio.to_thread(self._classifier.classify, texts, labels)
        return [
            orjson.dumps({"payload": message, "labels": result})
            for message, result in zip(messages, results, strict=True)
        ]

    async def loop(self, batch_messages: int) -> None:
        """Read, classify, publish, commit."""
        consumer = AIOKafkaConsumer(
            self.job.input_topic,
            bootstrap_servers=self.job.bootstrap_servers,
            group_id=self.job.group_id,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        producer = AIOKafkaProducer(bootstrap_servers=self.job.bootstrap_servers)
        await consumer.start()
        await producer.start()
        try:
            while True:
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=batch_messages)
                messages = [orjson.loads(record.value or b"") for records in fetched.values() for record in records]
                if not messages:
                    continue
                acknowledgements = [
                    await producer.send(self.job.output_topic, value) for value in await self.classified(messages)
                ]
                await asyncio.gather(*acknowledgements)
                await consumer.commit()
        finally:
            await consumer.stop()
            await producer.stop()

    async def subscribe(self) -> None:
        """The same as a FastStream batch subscriber."""
        from faststream import AckPolicy
        from faststream.kafka import KafkaBroker

        broker = KafkaBroker(self.job.bootstrap_servers, logger=None)

        @broker.subscriber(
            self.job.input_topic,
            batch=True,
            group_id=self.job.group_id,
            auto_offset_reset="earliest",
            max_records=self.job.batch_messages,
            batch_timeout_ms=POLL_MS,
            ack_policy=AckPolicy.REJECT_ON_ERROR,
        )
        async def handle(messages: list[dict[str, Any]]) -> None:
            await broker.publish_batch(*await self.classified(messages), topic=self.job.output_topic)

        await broker.start()
        try:
            await asyncio.Event().wait()
        finally:
            await broker.stop()


async def serve(kind: str, peer: Peer) -> None:
    """Run until SIGTERM."""
    work = (
        peer.subscribe() if kind == "faststream" else peer.loop(1 if kind == "one_by_one" else peer.job.batch_messages)
    )
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kafka.peers")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--job", type=Path, required=True)
    options = parser.parse_args(arguments)
    job = Job(**json.loads(options.job.read_text()))
    asyncio.run(serve(options.kind, Peer(job)))


if __name__ == "__main__":
    main(sys.argv[1:])
