"""`gliclass-worker kafka`: an Apache Kafka for one's own trials."""

from typing import Annotated

import typer

from worker.errors import ConfigurationError

DEFAULT_PORT = 9092


def kafka(
    topics: Annotated[
        str, typer.Option("--topics", "-t", help="Topics to create: names by commas, each with :partitions if not 1.")
    ] = "",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Of the first broker, the next have the next; 0: free ones.")
    ] = DEFAULT_PORT,
    brokers: Annotated[int, typer.Option(min=1, max=3, help="One, or a cluster of three.")] = 1,
) -> None:
    """Run an Apache Kafka on this machine until Ctrl-C, without Docker or Java installed; its data is thrown away.

    It listens on loopback only, without a login. The first time it is fetched from Maven Central (44 MB). Needs the
    extra `demo`.
    """
    import asyncio
    import signal
    import threading

    from worker.demo.local_kafka import LocalKafka
    from worker.demo.topics import create_topics

    wanted = parse_topics(topics)
    ended = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: ended.set())
    with LocalKafka(brokers, port=port or None, report=lambda line: typer.echo(line, err=True)) as cluster:
        if wanted:
            asyncio.run(create_topics(cluster.bootstrap_servers, wanted))
        typer.echo(f"Apache Kafka on {cluster.bootstrap_servers}")
        for name, partitions in wanted.items():
            typer.echo(f"  topic {name}, {partitions} partition{'' if partitions == 1 else 's'}")
        typer.echo("Ctrl-C ends it and throws its data away")
        ended.wait()


def parse_topics(written: str) -> dict[str, int]:
    """`a:4,b` as partitions by name. Raises ConfigurationError naming what is wrong."""
    from pydantic import TypeAdapter, ValidationError

    from schemas.types import TopicName

    topics: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        name, _, partitions = part.partition(":")
        try:
            TypeAdapter(TopicName).validate_python(name)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ConfigurationError("--topics", [reason]) from None
        if partitions and not (partitions.isascii() and partitions.isdigit() and 1 <= int(partitions) <= 1000):
            raise ConfigurationError("--topics", [f"{part!r}: write name:partitions, with 1 to 1000 partitions"])
        if name in topics:
            raise ConfigurationError("--topics", [f"names {name!r} twice: remove one"])
        topics[name] = int(partitions or 1)
    return topics
