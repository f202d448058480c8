"""How a group's partitions are shared out: as evenly as can be over all topics together."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata


class Share(NamedTuple):
    """Partitions of one topic for one member."""

    topic: str
    partitions: list[int]


def shared_out(partitions: Mapping[str, Iterable[int]], members: Mapping[str, Iterable[str]]) -> dict[str, list[Share]]:
    """Each member's shares, given the partitions by topic and the topics by member. Pure.

    Of each topic a member gets neighbouring partitions, like with Kafka's range assignor. What does not divide evenly
    goes to those that have fewest so far, where Kafka's gives it to the first members, topic for topic: of six topics
    with one partition each the first member would get all.
    """
    given: dict[str, list[Share]] = {member: [] for member in sorted(members)}
    totals = dict.fromkeys(given, 0)
    for topic in sorted(partitions):
        readers = [member for member in given if topic in members[member]]
        if not readers:
            continue
        left = sorted(partitions[topic])
        even, over = divmod(len(left), len(readers))
        favoured = sorted(readers, key=lambda member: totals[member])[:over]
        for member in readers:
            count = even + (member in favoured)
            if count:
                given[member].append(Share(topic, left[:count]))
            totals[member] += count
            del left[:count]
    return given


class EvenRangeAssignor(RangePartitionAssignor):
    """Under the name of Kafka's range assignor: whichever member leads the group, every other one understands it.

    So it comes into force with the first leader that has it, and members without it stay in the group.
    """

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """See `shared_out`. A topic without metadata is left out until there is some."""
        topics = {topic for metadata in members.values() for topic in metadata.subscription}
        known = {topic: found for topic in topics if (found := cluster.partitions_for_topic(topic)) is not None}
        shares = shared_out(known, {member: metadata.subscription for member, metadata in members.items()})
        return {
            member: ConsumerProtocolMemberAssignment(cls.version, [tuple(share) for share in given], b"")
            for member, given in shares.items()
        }
