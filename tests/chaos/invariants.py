"""What holds after whatever was killed, each a function over what the run left behind.

Every one raises `AssertionError` with what speaks against it. `HOLD` names them all.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.contracts.chat import (
    IndexBuilt,
    QuestionAnswered,
    QuestionAsked,
    QuestionRefused,
    TurnFailed,
)
from shared.contracts.gateway import SlugClaimed, UserCreated
from shared.contracts.gateway_erasure import ErasureCompleted, ErasureRequested
from shared.contracts.ingest import (
    IngestionRequested,
    Prepared,
    SourceCreated,
    SourceFailed,
    SourceIngested,
    SourcePrepared,
    SourceUnchanged,
)
from shared.contracts.ingest_website import CrawlBegun, CrawlFinished, CrawlPageVisited
from shared.contracts.scheduler import ScheduleFired
from shared.kernel.faults import FaultPoint
from tests.chaos.evidence import Evidence

Invariant = Callable[[Evidence], None]
RUN_ENDS = (SourceIngested, SourceFailed, SourceUnchanged)
TURN_ENDS = (QuestionAnswered, QuestionRefused, TurnFailed)


def acknowledged_writes_are_in_the_log(found: Evidence) -> None:
    """Whatever a client was told to be stored has its event (I1)."""
    created = {r.event.settings.name for r in found.of(SourceCreated)}
    assert not set(found.sources) - created
    asked = {r.event.question for r in found.of(QuestionAsked)}
    assert not set(found.questions) - asked
    users = {r.event.email for r in found.of(UserCreated)}
    assert not set(found.users) - users


def a_command_has_one_effect(found: Evidence) -> None:
    """However often a request or its command comes, it leaves its events once (I2)."""
    names = Counter(r.event.settings.name for r in found.of(SourceCreated))
    questions = Counter(r.event.question for r in found.of(QuestionAsked))
    users = Counter(r.event.email for r in found.of(UserCreated))
    events = Counter(r.event_id for r in found.records)
    for counted in (names, questions, users, events):
        assert _several(counted) == []
    placed: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(found.records):
        placed[record.metadata.message_id].append(place)
    apart = [one for one, at in placed.items() if at[-1] - at[0] != len(at) - 1]
    assert apart == [], "the events of one decision do not stand together"


def causes_come_before_their_effects(found: Evidence) -> None:
    """An event that follows from another decision stands behind it (I3)."""
    first: dict[str, int] = {}
    for record in found.records:
        first.setdefault(record.metadata.message_id, record.sequence)
    early = [
        record.event_id
        for record in found.records
        if first.get(record.metadata.causation_id or "", 0) > record.sequence
    ]
    assert early == []


def read_models_are_what_the_log_makes_of_them(found: Evidence) -> None:
    """Rows that were written while processes were killed are those of a rebuild (I4)."""
    for table in found.rows.keys() | found.rebuilt.keys():
        assert found.rows.get(table) == found.rebuilt.get(table), table


def nothing_is_left_unfinished(found: Evidence) -> None:
    """No run, turn or crawl is open once everything rests (I6)."""
    ended = {r.event.run_id for r in found.each(*RUN_ENDS)}
    begun = {r.event.run_id for r in found.of(IngestionRequested)}
    assert begun - ended == set()
    assert {row["status"] for row in found.table("ingest_sources.sources")} <= {
        "pending",
        "ready",
        "error",
    }
    told = {r.event.turn_id for r in found.each(*TURN_ENDS)}
    assert {r.event.turn_id for r in found.of(QuestionAsked)} - told == set()
    finished = {r.event.run_id for r in found.of(CrawlFinished)}
    assert {r.event.run_id for r in found.of(CrawlBegun)} - finished == set()


def a_run_ends_once(found: Evidence) -> None:
    """A run is prepared, indexed and ended once, whoever worked it how often."""
    for kinds in ((SourcePrepared,), (IndexBuilt,), RUN_ENDS):
        assert _several(Counter(r.event.run_id for r in found.each(*kinds))) == [], kinds


def documents_come_out_as_undisturbed(found: Evidence) -> None:
    """Each document has the chunks, vectors or error of the undisturbed run.

    Batches stand under their own hash, and hold ordinals, texts and vectors: the same references
    are the same chunks. Their ids follow from source, revision and ordinal.
    """
    wanted = {_kind(name): outcome for name, outcome in _outcomes(found, found.calm).items()}
    compared = 0
    for name, outcome in _outcomes(found, found.storm).items():
        if _kind(name) in wanted:
            assert outcome == wanted[_kind(name)], name
            compared += 1
    assert compared, "no document was the same"


def finished_batches_are_not_embedded_again(found: Evidence) -> None:
    """Once a batch of embeddings is told, the embedder is not given its texts again.

    The journal has a line for each batch that was embedded and for each that was told.
    """
    told: set[tuple[str, ...]] = set()
    again = []
    for point, _, *about in found.journal:
        batch = tuple(about[:3])
        if point == FaultPoint.INGEST_BATCH_TOLD:
            told.add(batch)
        elif point == FaultPoint.INGEST_EMBEDDED and batch in told:
            again.append(batch)
    assert again == []
    assert told, "no document was long enough to show it"


def turns_are_stored_and_billed_once(found: Evidence) -> None:
    """Each question has one end, which is what clients read and what is billed (I8, I14)."""
    ends = Counter(r.event.turn_id for r in found.each(*TURN_ENDS))
    assert _several(ends) == []
    asked = {r.event.question: r.event.turn_id for r in found.of(QuestionAsked)}
    forgiven = {asked[question] for question in found.may_fail if question in asked}
    assert {r.event.turn_id for r in found.of(TurnFailed)} - forgiven == set()
    stored = {r.event.turn_id: r.event.answer for r in found.of(QuestionAnswered)}
    stored |= {r.event.turn_id: r.event.answer for r in found.of(QuestionRefused)}
    for question, answer in found.answers.items():
        assert stored[asked[question]] == answer
    shown = Counter(
        row["turn_id"] for row in found.table("chat_chats.messages") if row["role"] == "assistant"
    )
    assert shown == Counter(stored.keys())
    billed = found.table("analytics_rollups.usage")
    answered = [r.event for r in found.of(QuestionAnswered)]
    assert sum(row["request_count"] for row in billed) == len(answered)
    for tokens in ("prompt_tokens", "completion_tokens"):
        spent = sum(getattr(event.usage, tokens) for event in answered)
        assert sum(row[tokens] for row in billed) == spent


def a_slot_comes_once(found: Evidence) -> None:
    """Each time that a schedule names is one fact and one run."""
    fired = found.of(ScheduleFired)
    slots = Counter((r.event.schedule_id, r.event.slot) for r in fired)
    assert _several(slots) == []
    runs = Counter(r.event.source_id for r in found.of(IngestionRequested))
    for schedule in {r.event.schedule_id for r in fired}:
        assert runs[schedule] == 1, schedule


def a_crawl_visits_a_page_once(found: Evidence) -> None:
    """A page has one outcome a crawl and one source, whatever was killed between them."""
    visits = Counter((r.event.run_id, r.event.url) for r in found.of(CrawlPageVisited))
    assert _several(visits) == []
    made = Counter(
        r.event.settings.config["url"] for r in found.of(SourceCreated) if r.event.parent_id
    )
    assert _several(made) == []


def what_is_to_be_erased_is_erased(found: Evidence) -> None:
    """An erasure that is ordered comes to its end, and of a tenant nothing else can be read."""
    asked = [r for r in found.records if isinstance(r.event, ErasureRequested)]
    done = Counter(
        r.event.erasure_id for r in found.records if isinstance(r.event, ErasureCompleted)
    )
    assert done == {r.event.erasure_id: 1 for r in asked}
    gone = {r.tenant_id for r in asked if r.event.kind == "tenant"}
    left = {r.event.aggregate for r in found.records if r.tenant_id in gone}
    assert left <= {ErasureRequested.aggregate, SlugClaimed.aggregate}


def what_was_given_up_was_planted(found: Evidence) -> None:
    """Dead letters are exactly the messages that nobody could have handled (I13)."""
    assert found.given_up == found.planted


HOLD: Sequence[Invariant] = (
    acknowledged_writes_are_in_the_log,
    a_command_has_one_effect,
    causes_come_before_their_effects,
    read_models_are_what_the_log_makes_of_them,
    nothing_is_left_unfinished,
    a_run_ends_once,
    documents_come_out_as_undisturbed,
    finished_batches_are_not_embedded_again,
    turns_are_stored_and_billed_once,
    a_slot_comes_once,
    a_crawl_visits_a_page_once,
    what_is_to_be_erased_is_erased,
    what_was_given_up_was_planted,
)


def the_index_holds_each_chunk_once(found: Evidence, points: Mapping[str, int]) -> None:
    """As many points as chunks, for every source there is (I10). `points` as the engine counts."""
    chunks = {r.event.source_id: 0 for r in found.of(SourceCreated)}
    for record in found.of(SourcePrepared):
        chunks[record.event.source_id] = record.event.prepared.chunk_count
    assert points == chunks


def _several(counted: Mapping[Any, int]) -> list[Any]:
    return [one for one, count in counted.items() if count > 1]


def _kind(name: str) -> str:
    """Of a document, whichever time it is uploaded; texts have names of their own."""
    return name.rsplit("/", 1)[-1]


def _outcomes(found: Evidence, tenant_id: str) -> dict[str, object]:
    """What became of each source, by its name."""
    names = {r.event.source_id: r.event.settings.name for r in found.of(SourceCreated, tenant_id)}
    outcomes: dict[str, object] = {}
    for prepared in found.of(SourcePrepared, tenant_id):
        name = names[prepared.event.source_id]
        outcomes[name] = _made(prepared.event.prepared)
    for failed in found.of(SourceFailed, tenant_id):
        outcomes[names[failed.event.source_id]] = failed.event.reason
    return outcomes


def _made(prepared: Prepared) -> object:
    refs = tuple(batch.ref for batch in prepared.batches)
    return prepared.text_ref, prepared.chunk_count, refs
