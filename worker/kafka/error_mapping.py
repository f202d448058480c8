"""What each error of the Kafka client means for the worker: one place maps them all. Pure, no I/O.

A broker that answers "no" ends the wait with the setting or the right to change; only silence is waited for. What
`/readyz`, the log and `check` say of an error are the words made here.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from aiokafka import errors
from aiokafka.errors import BrokerResponseError, KafkaError

from worker.kafka.broker_errors import ERRORS_WITHOUT_CLASS, broker_error


class Operation(StrEnum):
    """What was asked of the brokers: the same answer may mean something else for another question."""

    CONNECT = "connect"
    DESCRIBE = "describe"
    FETCH = "fetch"
    """Fetching records and looking for offsets in the log."""
    JOIN = "join"
    """Membership: joining, syncing, heartbeats."""
    COMMIT = "commit"
    """Committing the group's offsets and reading them."""
    PRODUCE = "produce"
    TRANSACT = "transact"
    """All that a transactional producer asks, its records included."""


class Remedy(StrEnum):
    """What helps against an error."""

    RETRY = "retry"
    """A fresh client, or the same one a moment later."""
    END = "end"
    """Nothing until people change something: the process ends with the reason."""
    DEAD_LETTER = "dead_letter"
    """Leaving one record of the request out: each is tried alone, and what is refused then becomes a dead letter."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`away`: nobody answered, or the brokers are in a transition that ends by itself; this is waited for without end.

    A retry that is not `away` may go on for as long as any standstill may, and no longer.
    """

    remedy: Remedy
    away: bool
    words: str


@dataclass(frozen=True, slots=True)
class _Rule:
    codes: frozenset[int]
    remedy: Remedy
    fix: str
    away: bool = False
    operations: frozenset[Operation] = frozenset(Operation)


_PRODUCING = frozenset({Operation.PRODUCE, Operation.TRANSACT})
_GROUP = frozenset({Operation.JOIN, Operation.COMMIT})


def _rule(
    remedy: Remedy, *codes: int, fix: str, away: bool = False, operations: Collection[Operation] = frozenset(Operation)
) -> _Rule:
    return _Rule(frozenset(codes), remedy, fix, away, frozenset(operations))


_LOGIN = "check kafka.security.sasl_mechanism, username and password"

_RULES = (
    # What brokers say of themselves: waiting helps, and so does asking another one.
    _rule(Remedy.RETRY, 5, 6, 8, 9, 13, 56, 74, 75, 77, 78, 80, 83, 100, 103, 107, 108, 129, away=True,
          fix="the partition has no leader or gets another one: wait, or bring its brokers back"),
    _rule(Remedy.RETRY, 7, away=True, fix="no answer in time: check the brokers' load and the network"),
    _rule(Remedy.RETRY, 19, 20, away=True,
          fix="fewer replicas are in sync than min.insync.replicas of the topic demands: bring the other brokers back"),
    _rule(Remedy.RETRY, 14, 15, 16, away=True, fix="the coordinator is loading or moves: wait"),
    _rule(Remedy.RETRY, 51, 88, away=True, fix="an earlier transaction is being completed: wait"),
    _rule(Remedy.RETRY, 89, away=True, fix="a quota of the brokers holds this client back: raise it, or wait"),
    _rule(Remedy.RETRY, 70, 71, 106, away=True, fix="the broker has forgotten a fetch session: it is made anew"),
    _rule(Remedy.RETRY, 22, 25, 27, 79, 110, 113, away=True,
          fix="the group rebalances, or has done without this member: it joins again"),
    # What only a fresh producer gets out of.
    _rule(Remedy.RETRY, 45, 46, 47, 48, 49, 52, 59, 90, 105, 120,
          fix="the brokers do not go on with this producer: another takes its place"),
    # Refused for good, by right.
    _rule(Remedy.END, 29, operations=_PRODUCING, fix="allow this user to describe and write {topics}"),
    _rule(Remedy.END, 29, operations={Operation.FETCH, Operation.COMMIT, Operation.JOIN},
          fix="allow this user to describe and read {topics}"),
    _rule(Remedy.END, 29, fix="allow this user to describe {topics}, or correct the name"),
    _rule(Remedy.END, 30, fix="allow this user to read group {group}"),
    _rule(Remedy.END, 31, operations=_PRODUCING, fix="allow this user IdempotentWrite on the cluster"),
    _rule(Remedy.END, 31, fix="allow this user to describe the cluster"),
    _rule(Remedy.END, 53, fix="allow this user to describe and write transactional ids that begin with {prefix}"),
    _rule(Remedy.END, 33, 34, 58, fix=_LOGIN),
    _rule(Remedy.END, 54, fix="the brokers have no authorizer: check kafka.security"),
    _rule(Remedy.END, 61, 62, 63, 64, 65, 66, 67, 93, 97, fix=_LOGIN),
    # Refused for good, by a limit or a setting.
    _rule(Remedy.END, 23, 112, operations=_GROUP,
          fix="group {group} has members of another kind or with another assignor: give this worker a kafka.group_id "
              "of its own, or the others the same assignor"),
    _rule(Remedy.END, 24, operations=_GROUP, fix="correct kafka.group_id"),
    _rule(Remedy.END, 26, fix="set kafka.session_timeout_seconds within the brokers' group.min.session.timeout.ms and "
                              "group.max.session.timeout.ms"),
    _rule(Remedy.END, 81, fix="group {group} has as many members as the brokers' group.max.size allows: run fewer "
                              "replicas, or raise it"),
    _rule(Remedy.END, 82, 111, fix="another process has this kafka.group_instance_id: give each replica its own"),
    _rule(Remedy.END, 69, operations=_GROUP,
          fix="the brokers have group {group} as one of another type: give this worker a kafka.group_id of its own"),
    _rule(Remedy.END, 12, 28, fix="what this worker writes beside an offset is longer than the brokers' "
                                  "offset.metadata.max.bytes: raise it to its default of 4096"),
    _rule(Remedy.END, 50, fix="delivery.transaction_timeout_seconds is above the brokers' transaction.max.timeout.ms"),
    _rule(Remedy.END, 17, fix="this is no name of a topic that clients may use: correct {topics}"),
    _rule(Remedy.END, 21, 43, 76, fix="{topics} cannot be used with the record format or compression of this client"),
    _rule(Remedy.END, 35, fix="the brokers do not know this version of the request: they are too old or too new"),
    _rule(Remedy.END, 40, fix="the brokers' configuration is invalid: see their logs"),
    _rule(Remedy.END, 104, fix="kafka.bootstrap_servers name brokers of different clusters"),
    _rule(Remedy.END, 128, fix="correct input.topics"),
    # Refused for what one record is.
    _rule(Remedy.DEAD_LETTER, 87, operations=_PRODUCING,
          fix="the broker does not take this record: {topics} may demand a key (cleanup.policy=compact) or a schema"),
    _rule(Remedy.DEAD_LETTER, 2, 4, operations=_PRODUCING, fix="the broker takes this record for a damaged one"),
    _rule(Remedy.DEAD_LETTER, 10, 18, operations=_PRODUCING,
          fix="larger than max.message.bytes or segment.bytes of {topics}: raise it"),
    _rule(Remedy.DEAD_LETTER, 44, operations=_PRODUCING, fix="a policy of the brokers does not take this record"),
    # Answers that may be other ones next time.
    _rule(Remedy.RETRY, 3, fix="{topics} does not exist, or not yet on this broker: create it"),
    _rule(Remedy.RETRY, 32, fix="the topic's message.timestamp.before.max.ms or message.timestamp.after.max.ms refuses "
                                "the clock of this host: set the clock right, or widen them"),
    _rule(Remedy.RETRY, 2, 4, fix="the broker sends what it cannot read itself: see its log"),
    _rule(Remedy.RETRY, 1, 109, fix="the log does not have this offset"),
    _rule(Remedy.RETRY, 72, fix="the leader does not offer the listener of kafka.bootstrap_servers"),
    _rule(Remedy.RETRY, -1, 10, 18, 23, 24, 42, 44, 69, 87, 112, fix="see the log of the broker"),
    # Answers to requests that the worker does not make: of administrators, controllers, other kinds of groups.
    _rule(Remedy.RETRY, 0, 11, 36, 37, 38, 39, 41, 55, 57, 60, 68, 73, 84, 85, 86, 91, 92, 94, 95, 96, 98, 99, 101,
          102, 114, 115, 116, 117, 118, 119, 121, 122, 123, 124, 125, 126, 127, 130, 131, 132, 133, 134, 135, 136,
          fix="not to be expected here: see the log of the broker"),
)  # fmt: skip

_AWAY = "check kafka.bootstrap_servers, the network, and that the brokers run"

_CLIENT_ERRORS: dict[type[KafkaError], tuple[Remedy, bool, str]] = {
    errors.KafkaConnectionError: (Remedy.RETRY, True, _AWAY),
    errors.NoBrokersAvailable: (Remedy.RETRY, True, _AWAY),
    errors.NodeNotReadyError: (Remedy.RETRY, True, _AWAY),
    errors.KafkaUnavailableError: (Remedy.RETRY, True, _AWAY),
    errors.KafkaTimeoutError: (Remedy.RETRY, True, "no answer in time: check the brokers' load and the network"),
    errors.MetadataEmptyBrokerList: (Remedy.RETRY, True, _AWAY),
    errors.StaleMetadata: (Remedy.RETRY, True, "the brokers are asked for the topic's leaders again"),
    errors.Cancelled: (Remedy.RETRY, True, "the request was given up"),
    errors.TooManyInFlightRequests: (Remedy.RETRY, True, "the broker is slow"),
    errors.QuotaViolationError: (Remedy.RETRY, True, "a quota of the brokers holds this client back"),
    errors.CommitFailedError: (Remedy.RETRY, True, "the group has rebalanced: the new owner goes on"),
    errors.CorrelationIdError: (Remedy.RETRY, False, "the connection carries somebody else's answers: see the proxy"),
    errors.KafkaProtocolError: (Remedy.RETRY, False, "the answer cannot be read: is this a Kafka broker?"),
    errors.NoOffsetForPartitionError: (Remedy.RETRY, False, "the partition has no offset yet"),
    errors.ProducerClosed: (Remedy.RETRY, False, "another producer takes its place"),
    errors.ProducerFenced: (Remedy.RETRY, False, "another producer has this transactional id, or it was idle for too "
                            "long: another takes its place"),
    errors.AuthenticationFailedError: (Remedy.END, False, _LOGIN),
    errors.AuthenticationMethodNotSupported: (Remedy.END, False, _LOGIN),
    errors.UnrecognizedBrokerVersion: (Remedy.END, False, "the brokers are too old"),
    errors.IncompatibleBrokerVersion: (Remedy.END, False, "the brokers are too old or too new"),
    errors.UnsupportedCodecError: (Remedy.END, False, "install what decompresses these records (cramjam)"),
    errors.RecordTooLargeError: (Remedy.END, False, "raise kafka.fetch_max_partition_bytes"),
    errors.IllegalStateError: (Remedy.END, False, "a fault of this worker"),
    errors.IllegalArgumentError: (Remedy.END, False, "a fault of this worker"),
    errors.KafkaConfigurationError: (Remedy.END, False, "a fault of this worker"),
}  # fmt: skip

EVERY_CODE = frozenset(errors.kafka_errors) | frozenset(ERRORS_WITHOUT_CLASS)
_NAMES = {broker_error(code).__name__: code for code in EVERY_CODE}


def judge(
    error: BaseException, operation: Operation, *, topics: Collection[str] = (), group_id: str | None = None
) -> Judgement:
    """What an error means for what was asked. Total: an error that nobody knows is tried again, and says its name.

    `topics`, `group_id`: what the request was about, as far as the error does not say it itself.
    """
    error = innermost(error)
    if isinstance(error, errors.GroupAuthorizationFailedError) and error.args:
        group_id = str(error.args[0])
    words = {
        "topics": _topics(_named_topics(error) or topics),
        "group": repr(group_id) if group_id else "of this worker",
        "prefix": repr(f"{group_id}-") if group_id else "kafka.group_id and a hyphen",
    }
    if (code := code_of(error)) is not None:
        rule = next((each for each in _RULES if code in each.codes and operation in each.operations), None)
        title = f"{broker_error(code).__name__} (broker error {code})"
        if rule is None:
            return Judgement(Remedy.RETRY, False, f"{title}: see the log of the broker")
        return Judgement(rule.remedy, rule.away, f"{title}: {rule.fix.format(**words)}")
    said = str(error) if isinstance(error, KafkaError) else f"{type(error).__name__}: {error}".removesuffix(": ")
    for kind in type(error).__mro__:
        if kind in _CLIENT_ERRORS:
            remedy, away, fix = _CLIENT_ERRORS[kind]
            return Judgement(remedy, away, f"{said} ({fix})")
    return Judgement(Remedy.RETRY, isinstance(error, OSError | TimeoutError), said)


def code_of(error: BaseException) -> int | None:
    """The number a broker answered with; None where no broker did."""
    return error.errno if isinstance(error, BrokerResponseError) else None


def innermost(error: BaseException) -> BaseException:
    """The error that aiokafka wrapped into a bare KafkaError, as its cause or as nothing but its name."""
    seen = 0
    while type(error) is KafkaError and seen < 8:
        seen += 1
        if error.__cause__ is not None:
            error = error.__cause__
            continue
        named = [code for name in re.findall(r"(\w+)\(", str(error.args[0] if error.args else ""))
                 if (code := _NAMES.get(name)) is not None]  # fmt: skip
        if not named:
            break
        error = broker_error(named[-1])()
    return error


def _named_topics(error: BaseException) -> list[str]:
    """aiokafka gives some errors the topic, or a set of them."""
    if not isinstance(error, errors.TopicAuthorizationFailedError | errors.InvalidTopicError) or not error.args:
        return []
    named = error.args[0]
    return [named] if isinstance(named, str) else sorted(map(str, named)) if isinstance(named, Collection) else []


def _topics(names: Collection[str]) -> str:
    if not names:
        return "the topic"
    return ("topic " if len(names) == 1 else "topics ") + ", ".join(repr(name) for name in names)
