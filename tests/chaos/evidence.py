"""What a run left behind: the log, the rows, the index, and what clients were told."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from services.chat.adapters.edge_index import EdgeIndexes
from services.chat.ports import Scope
from shared.adapters import static_embedder
from shared.contracts.base import Event, Recorded
from shared.contracts.ingest import SourceCreated
from tests.chaos.switches import Switches
from tests.e2e import inside

E = TypeVar("E", bound=Event)
Rows = dict[str, list[str]]


@dataclass(frozen=True)
class Evidence:
    """Of one run that has come to rest."""

    records: Sequence[Recorded[Any]]
    """The whole log."""
    rows: Rows
    """Every row of every read model."""
    rebuilt: Rows
    """The same after read models were made anew from the log."""
    journal: Sequence[Sequence[str]]
    """Every passage of a fault point."""
    given_up: int
    """Messages that came to nothing."""
    storm: str
    """The tenant whose work was disturbed."""
    calm: str
    """The tenant whose same work was not."""
    sources: Sequence[str] = ()
    """Names of the sources whose creation was acknowledged."""
    questions: Sequence[str] = ()
    """Questions that were acknowledged."""
    answers: dict[str, str] = field(default_factory=dict)
    """What the client was told, by the question."""
    users: Sequence[str] = ()
    """E-mail addresses of users whose creation was acknowledged."""
    statuses: Mapping[int, int] = field(default_factory=dict)
    """How often clients were told what."""
    canaries: Mapping[str, str] = field(default_factory=dict)
    """By tenant, a word that only its documents have."""
    spilled: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Planted secrets that stand in clear in files, and in which."""
    resources: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """What each service held before and after, by kind."""
    planted: int = 0
    """Messages that nobody can handle, sent on purpose."""
    ledger: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Tokens of prompt and answer that the model told last, by question."""
    may_fail: Collection[str] = ()
    """Questions whose model did not answer as it should."""
    hits: Sequence[tuple[str, str, bytes]] = ()
    """What came to receivers of webhooks: which, the message's id, and the body."""
    replays: Sequence[tuple[str, str, str]] = ()
    """Of requests that were sent again with their key: what they were, and both answers."""
    unread: Sequence[str] = ()
    """What was told to be made and not there when its client looked."""

    def of(self, kind: type[E], tenant_id: str | None = None) -> list[Recorded[E]]:
        """The events of one kind, of the disturbed tenant unless another is given."""
        wanted = tenant_id or self.storm
        return [r for r in self.records if isinstance(r.event, kind) and r.tenant_id == wanted]

    def each(self, *kinds: type[Event]) -> list[Recorded[Any]]:
        """The events of several kinds, of the disturbed tenant."""
        return [r for r in self.records if isinstance(r.event, kinds) and r.tenant_id == self.storm]

    def table(self, name: str) -> list[dict[str, Any]]:
        """Rows of the disturbed tenant."""
        found = (json.loads(row) for row in self.rows[name])
        return [row for row in found if row["tenant_id"] == self.storm]

    def by_aggregate(self) -> dict[tuple[str, str, str], list[Recorded[Any]]]:
        """All events of all tenants, in the order of the log."""
        found: dict[tuple[str, str, str], list[Recorded[Any]]] = defaultdict(list)
        for record in self.records:
            event = record.event
            found[record.tenant_id, event.aggregate, event.aggregate_id].append(record)
        return found


def gathered(
    data_dir: Path, switches: Switches, rebuilt: Rows, rows: Rows, storm: str, calm: str
) -> Evidence:
    """Without what clients know."""
    return Evidence(
        records=inside.history(data_dir),
        rows=rows,
        rebuilt=rebuilt,
        journal=switches.journal(),
        given_up=inside.given_up(data_dir),
        storm=storm,
        calm=calm,
    )


def points(data_dir: Path, found: Evidence) -> dict[str, int]:
    """How many points the index holds of each source. Nobody else may have it open."""
    sources = {r.event.source_id for r in found.of(SourceCreated)}
    return asyncio.run(_points(data_dir, found.storm, sorted(sources)))


async def _points(data_dir: Path, tenant_id: str, sources: Sequence[str]) -> dict[str, int]:
    async with AsyncExitStack() as stack:
        indexes = EdgeIndexes(data_dir / "index")
        stack.push_async_callback(indexes.aclose)
        [name] = await indexes.names()
        index = await indexes.open(name, static_embedder.DIMENSION)
        return {source: await index.count(Scope(tenant_id, source_id=source)) for source in sources}
