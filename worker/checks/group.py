"""`gliclass-worker check`, the part on the group: will every replica have something to read, and may it join at all."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from worker.checks.result import CheckResult, Outcome
from worker.kafka.assignor import EvenRangeAssignor

MEMBERS = "members of the group"
NO_ERROR = 0


async def check_members(
    client_options: Mapping[str, Any], group_id: str, partitions: int, limit_seconds: float
) -> CheckResult:
    """Looks at the group as it is now, without joining it; `partitions`: of all input topics."""
    admin = AIOKafkaAdminClient(**client_options)
    try:
        async with asyncio.timeout(limit_seconds):
            await admin.start()
            (response,) = await admin.describe_consumer_groups([group_id])
    except (KafkaError, TimeoutError) as error:
        return CheckResult(MEMBERS, Outcome.WARNING, f"cannot be read: {type(error).__name__}")
    finally:
        await asyncio.wait_for(admin.close(), limit_seconds)
    (group,) = response.to_object()["groups"]
    if group["error_code"] != NO_ERROR:
        return CheckResult(MEMBERS, Outcome.WARNING, f"group {group_id!r} may not be described by this user")
    return members_result(group_id, len(group["members"]), group["protocol"], partitions)


def members_result(group_id: str, members: int, protocol: str, partitions: int) -> CheckResult:
    """What a group of so many members means to one more. Pure."""
    if members and protocol not in ("", EvenRangeAssignor.name):
        detail = (
            f"group {group_id!r} shares its partitions out by {protocol!r}, and this worker knows "
            f"{EvenRangeAssignor.name!r} alone: give it a kafka.group_id of its own"
        )
        return CheckResult(MEMBERS, Outcome.FAILED, detail)
    if members > partitions:
        detail = (
            f"{members} members share {partitions} partitions: {members - partitions} of them have nothing to read; "
            "add partitions, or run fewer replicas"
        )
        return CheckResult(MEMBERS, Outcome.WARNING, detail)
    if members and members == partitions:
        detail = f"{members} members share {partitions} partitions: one more would only be a spare"
        return CheckResult(MEMBERS, Outcome.WARNING, detail)
    return CheckResult(MEMBERS, Outcome.OK, f"{members} now, for {partitions} partitions")
