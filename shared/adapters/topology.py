"""Streams and consumers as code, compared with the server's at every start.

What can be changed is changed; anything else refuses to start and says which. Times are in
seconds here and nanoseconds on the wire, as nats-py converts them.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError

from shared.adapters.pull import ending
from shared.adapters.vault import BUCKET
from shared.kernel.errors import Unavailable, Unusable
from shared.kernel.ids import subject_token

log = logging.getLogger(__name__)

DAY = 86_400.0
LOG = "EVENTS"
VAULT = f"KV_{BUCKET}"
IDEMPOTENCY_BUCKET = "idempotency"
LANE_SECONDS = 3600.0
"""How long a lane of the jobs outlives its last job."""
NO_ROOM = 10_047
"""Code of the server's error where a stream's limit is more than is left of the server's own."""
NOT_READY = 503
"""Code of the answers of a server that is starting or has no leader."""
NO_ROOM = 10_047
"""Code of errors about what a server would have to keep free."""
ADD_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
RETRY_SECONDS = 0.5
TOKEN_SECONDS = 300.0
PACE = "pace"
PACE_SECONDS = 3600.0
CLEARED = frozenset({"subject_transform"})
"""What a definition without it takes away from what is there."""
DUPLICATE_SECONDS = 120.0
"""What the server takes where nothing is said; said, so that nothing differs at the next start."""

STREAMS: Sequence[api.StreamConfig] = (
    api.StreamConfig(
        name=LOG,
        description="The log. Everything else can be rebuilt from it.",
        subjects=["evt.*.*.*.*"],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_msg_size=1_048_576,
        duplicate_window=DUPLICATE_SECONDS,
        allow_direct=True,
        allow_atomic=True,
        republish=api.RePublish(src="evt.>", dest="live.>"),
    ),
    api.StreamConfig(
        name="CMDS",
        description="Commands, each until its owner acknowledges it.",
        subjects=["cmd.*.*.*.*"],
        retention=api.RetentionPolicy.WORK_QUEUE,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_msg_size=1_048_576,
        max_age=7 * DAY,
        duplicate_window=600,
        allow_direct=True,
    ),
    api.StreamConfig(
        name="JOBS",
        description="Long work; each tenant's is given out by a consumer of its own.",
        subjects=["job.*.*.*.*"],
        retention=api.RetentionPolicy.WORK_QUEUE,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_age=7 * DAY,
        duplicate_window=600,
        allow_direct=True,
    ),
    api.StreamConfig(
        name="SCHED",
        description="Timers, and the ticks they publish.",
        subjects=["sched.*.*.*", "tick.*.*.*"],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        # The server takes no schedules in a stream that refuses new messages.
        discard=api.DiscardPolicy.OLD,
        max_msgs_per_subject=100,
        duplicate_window=DUPLICATE_SECONDS,
        allow_msg_schedules=True,
        allow_rollup_hdrs=True,  # comes with schedules
        allow_msg_ttl=True,
        allow_direct=True,
    ),
    api.StreamConfig(
        name="TOK",
        description="Frames of streamed answers, for minutes, so that a stream can be resumed.",
        subjects=["tok.*.*"],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.MEMORY,
        discard=api.DiscardPolicy.OLD,
        no_ack=True,
        max_age=TOKEN_SECONDS,
        duplicate_window=DUPLICATE_SECONDS,
        max_bytes=268_435_456,
        max_msgs_per_subject=20_000,
        allow_direct=True,
    ),
    api.StreamConfig(
        name="DLQ",
        description="Messages that were given up, with the reason.",
        subjects=["dlq.>"],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_age=30 * DAY,
        duplicate_window=DUPLICATE_SECONDS,
        allow_direct=True,
    ),
    api.StreamConfig(
        name=VAULT,
        description="Encrypted secrets and data keys.",
        subjects=[f"$KV.{BUCKET}.>"],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_msgs_per_subject=1,
        duplicate_window=DUPLICATE_SECONDS,
        allow_rollup_hdrs=True,
        deny_delete=True,
        # A replica may lag behind: a key that looks absent would be an answer that looks erased.
        allow_direct=False,
    ),
    api.StreamConfig(
        name=f"KV_{IDEMPOTENCY_BUCKET}",
        description="Encrypted answers to requests with an Idempotency-Key, for a day.",
        subjects=[f"$KV.{IDEMPOTENCY_BUCKET}.>"],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        # When there are too many, the oldest are remembered for less than a day.
        discard=api.DiscardPolicy.OLD,
        max_bytes=1_073_741_824,
        max_age=DAY,
        max_msgs_per_subject=1,
        duplicate_window=DUPLICATE_SECONDS,
        allow_rollup_hdrs=True,
        deny_delete=True,
        # A replica may lag behind: an answer that looks absent would be given twice.
        allow_direct=False,
    ),
    api.StreamConfig(
        name="COUNT",
        description="Counts within a window of time: attempts to log in, questions of visitors.",
        subjects=["count.>"],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.MEMORY,
        discard=api.DiscardPolicy.OLD,
        max_bytes=134_217_728,
        max_age=2 * DAY,
        max_msgs_per_subject=1,
        duplicate_window=DUPLICATE_SECONDS,
        allow_msg_counter=True,
        allow_direct=True,
    ),
    api.StreamConfig(
        name=f"KV_{PACE}",
        description="When each site that is crawled may be asked again.",
        subjects=[f"$KV.{PACE}.>"],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_msgs_per_subject=1,
        max_age=PACE_SECONDS,
        duplicate_window=DUPLICATE_SECONDS,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=False,
    ),
)

RESERVED_BYTES = sum(one.max_bytes or 0 for one in STREAMS if one.storage is api.StorageType.FILE)
"""What the broker keeps room for on its disk: it makes no stream that has a limit without it."""


class LostLog(Unusable):
    """The event log was there, and is not."""


async def ensure_streams(client: Client, *, replicas: int = 1) -> None:
    """Create what is missing and apply what changed.

    Raises `Unusable`, naming stream and difference, if the server will not take a change, its
    kind `LostLog` if the log is gone, and `Unavailable` if it does not answer.
    """
    js = client.jetstream(timeout=10)
    for wanted in STREAMS:
        # The frames in memory too: a stream on one lost server would answer nobody, and no service
        # could start until that server is back.
        # Asynchronous persistence acknowledges what a power cut can take.
        config = wanted.evolve(num_replicas=replicas, persist_mode=api.PersistMode.DEFAULT)
        changes: list[str] = []
        try:
            try:
                changes = differences(config, (await js.stream_info(config.name or "")).config)
            except NotFoundError:
                if wanted.name == LOG:
                    await _refuse_lost_log(js)
                await _add(js, config)
            if changes:
                await js.update_stream(config)
        except (nats.errors.Error, TimeoutError) as error:
            raise _refusal("stream", config.name, changes, error) from error


async def _add(js: JetStreamContext, config: api.StreamConfig) -> None:
    """Create a stream, or see that another service did. What several ask for at the same time
    counts for each of them in what the server keeps free: more than a small disk has.
    """
    for pause in ADD_PAUSES:
        try:
            await js.add_stream(config)
        except APIError as error:
            if error.err_code != NO_ROOM:
                raise
        else:
            return
        await asyncio.sleep(pause)
        with suppress(NotFoundError):
            await js.stream_info(config.name or "")
            return
    await js.add_stream(config)


async def keep_streams(client: Client, came_back: asyncio.Event, *, replicas: int = 1) -> None:
    """For ever: each time that `came_back` is set, bring back the streams that a broker which was
    killed had in memory only. Raises `LostLog`.
    """
    while not ending():
        await came_back.wait()
        came_back.clear()
        try:
            await ensure_streams(client, replicas=replicas)
        except LostLog:
            raise
        except (Unavailable, Unusable) as error:
            log.warning("streams not looked after", extra={"error": str(error)})
            await asyncio.sleep(RETRY_SECONDS)
            came_back.set()


async def ensure_consumer(client: Client, stream: str, wanted: api.ConsumerConfig) -> None:
    """Create a durable consumer or apply what changed. Raises as `ensure_streams`."""
    js = client.jetstream(timeout=10)
    name = wanted.durable_name or ""
    changes: list[str] = []
    try:
        try:
            have = (await js.consumer_info(stream, name)).config
        except NotFoundError:
            await js.add_consumer(stream, wanted)
        else:
            if have.deliver_policy == api.DeliverPolicy.BY_START_SEQUENCE:
                # Only a restored one began at a place, and that is past.
                wanted = wanted.evolve(
                    deliver_policy=have.deliver_policy, opt_start_seq=have.opt_start_seq
                )
            changes = differences(wanted, have)
        if changes:
            await js.add_consumer(stream, wanted)
    except (nats.errors.Error, TimeoutError) as error:
        raise _refusal("consumer", f"{stream}/{name}", changes, error) from error


def command_consumer(service: str, aggregates: Sequence[str]) -> api.ConsumerConfig:
    """The durable from which every replica of a service takes its commands."""
    return api.ConsumerConfig(
        durable_name=service,
        filter_subjects=[f"cmd.*.{aggregate}.*.*" for aggregate in aggregates],
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=10,
        # Attempts are counted by the runtime, so that a message that kills its worker is given up
        # as well as one that fails.
        max_deliver=-1,
        max_ack_pending=256,
    )


def lane_consumer(service: str, tenant_id: str, share: int) -> api.ConsumerConfig:
    """The jobs of one tenant: `share` at a time, in all replicas together."""
    tenant = subject_token(tenant_id)
    return api.ConsumerConfig(
        durable_name=f"{service}-{tenant}",
        filter_subjects=[f"job.{tenant}.>"],
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=15,
        max_deliver=-1,
        max_ack_pending=share,
        inactive_threshold=LANE_SECONDS,
    )


def reaction_consumer(
    service: str,
    name: str,
    events: Sequence[tuple[str, str]],
    *,
    in_order: bool = False,
    from_now: bool = False,
) -> api.ConsumerConfig:
    """A durable over the log for one reaction; `events` are pairs of aggregate and event name.

    With `in_order` no event is given out before the one before it is settled. With `from_now` it
    begins with what is told after its first start, not with the log.
    """
    return api.ConsumerConfig(
        durable_name=f"{service}-{name}",
        filter_subjects=[f"evt.*.{aggregate}.*.{event}" for aggregate, event in events],
        ack_policy=api.AckPolicy.EXPLICIT,
        deliver_policy=api.DeliverPolicy.NEW if from_now else api.DeliverPolicy.ALL,
        ack_wait=15,
        max_deliver=-1,
        max_ack_pending=1 if in_order else 1000,
    )


def differences(wanted: Any, have: Any) -> list[str]:
    """Fields that `wanted` sets and `have` holds otherwise, as `field: have -> wanted`."""
    found = []
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if field.name == "metadata" or (value is None and field.name not in CLEARED):
            continue
        there = getattr(have, field.name)
        if isinstance(value, bool) and there is None:
            there = False
        if field.name == "persist_mode" and there is None:
            there = api.PersistMode.DEFAULT
        if isinstance(value, list) and isinstance(there, list):
            value, there = sorted(value), sorted(there)
        if value != there and not (value == 0 and there in (None, -1)):
            found.append(f"{field.name}: {there!r} -> {value!r}")
    return found


async def _refuse_lost_log(js: JetStreamContext) -> None:
    """The log is made before everything else. One that is missing while the vault holds something
    was there, and a fresh one in its place would give out its places again.
    """
    try:
        state = (await js.stream_info(VAULT)).state
    except NotFoundError:
        return
    if state.last_seq:
        raise LostLog("the broker has lost the event log, but not the vault: restore a backup")


def _refusal(
    kind: str, name: str | None, changes: Sequence[str], error: Exception
) -> Unusable | Unavailable:
    if not isinstance(error, APIError) or error.code == NOT_READY:
        return Unavailable(f"the broker does not answer for {kind} {name}: {error!r}")
    if error.err_code == NO_ROOM:
        return Unusable(
            f"the broker has no room for {kind} {name}: its disk is nearly full, or it may use too "
            f"little of it; streams may take {RESERVED_BYTES / 1e9:.1f} GB beside the log"
        )
    what = "; ".join(changes) or "it is missing"
    return Unusable(f"the broker does not take our definition of {kind} {name} ({what}): {error}")
