"""What holds besides, where a run looked for it: invariants over what was planted and counted.

As in `invariants`, every one raises `AssertionError` with what speaks against it; `KEPT` names all.
"""

from collections import Counter
from collections.abc import Sequence

from shared.contracts.chat import QuestionAnswered, QuestionAsked
from shared.contracts.webhooks import (
    DeliveryAttemptFailed,
    DeliveryScheduled,
    DeliverySucceeded,
    WebhookCreated,
)
from tests.chaos.evidence import Evidence
from tests.chaos.invariants import Invariant

GROWTH = 1.1
"""What may be left over at rest, as a share of what there was before."""
FEW = {"open files": 12, "threads": 12, "memory": 150_000_000}
"""What is no growth by itself: connections that a pool keeps, caches that fill once."""
UNFORESEEN = 500


def nobody_sees_what_is_anothers(found: Evidence) -> None:
    """A word that only one tenant wrote stands in no event, row or answer of another (I9)."""
    for owner, word in found.canaries.items():
        strange = [
            record.event_id
            for record in found.records
            if record.tenant_id != owner and word in record.event.model_dump_json()
        ]
        strange += [
            row
            for rows in found.rows.values()
            for row in rows
            if word in row and f'"tenant_id": "{owner}"' not in row
        ]
        if owner != found.storm:
            strange += [answer for answer in found.answers.values() if word in answer]
        assert strange == [], word


def secrets_are_written_nowhere(found: Evidence) -> None:
    """What was given as a secret stands in clear in no file: log, store, table or index (I11)."""
    assert found.spilled == {}


def nothing_is_held_at_rest(found: Evidence) -> None:
    """Every service holds what it held before, and no session of the database is open (I12)."""
    grown = {
        (service, what): (before, after)
        for service, kinds in found.resources.items()
        for what, (before, after) in kinds.items()
        if after > before * GROWTH + FEW.get(what, 0)
    }
    assert grown == {}


def what_models_count_is_what_is_billed(found: Evidence) -> None:
    """Tokens that the model told for its answers are those of the log, question by question (I14).

    Where the model's answer was lost, nobody was told its count.
    """
    asked = {r.event.turn_id: r.event.question for r in found.of(QuestionAsked)}
    billed = {
        asked[r.event.turn_id]: (r.event.usage.prompt_tokens, r.event.usage.completion_tokens)
        for r in found.of(QuestionAnswered)
    }
    wrong = {
        question: (told, billed[question])
        for question, told in found.ledger.items()
        if question in billed and billed[question] != told
    }
    assert wrong == {}


def a_repeated_request_is_answered_alike(found: Evidence) -> None:
    """The same request with its key gets the first answer, body and all (I15)."""
    assert [one for one in found.replays if one[1] != one[2]] == []


def what_was_written_can_be_read(found: Evidence) -> None:
    """What a client was told to be made is there when it looks, at once (I16)."""
    assert list(found.unread) == []


def nobody_is_told_what_was_not_foreseen(found: Evidence) -> None:
    """Faults of the surroundings have an answer of their own; 500 is a mistake of ours."""
    assert found.statuses.get(UNFORESEEN, 0) == 0


def deliveries_are_what_they_were(found: Evidence) -> None:
    """A delivery goes to its tenant's endpoint, is made once, and always says the same (I7)."""
    own = {r.event.webhook_id for r in found.of(WebhookCreated)}
    scheduled = {r.event.delivery_id: r.event.webhook_id for r in found.of(DeliveryScheduled)}
    assert set(scheduled.values()) - own == set()
    made = Counter(r.event.delivery_id for r in found.of(DeliverySucceeded))
    assert [one for one, count in made.items() if count > 1] == []
    tried: dict[str, int] = {}
    for record in found.each(DeliverySucceeded, DeliveryAttemptFailed):
        event = record.event
        assert event.attempted.attempt > tried.get(event.delivery_id, 0), event.delivery_id
        tried[event.delivery_id] = event.attempted.attempt
    bodies: dict[tuple[str, str], set[bytes]] = {}
    for receiver, message_id, body in found.hits:
        bodies.setdefault((receiver, message_id), set()).add(body)
    assert [one for one, said in bodies.items() if len(said) > 1] == []
    heard = {message_id for _, message_id, _ in found.hits}
    sent = {r.event.delivery_id: r.event.message_id for r in found.of(DeliveryScheduled)}
    assert {sent[delivery] for delivery in made} - heard == set()


def there_was_something_to_look_at(found: Evidence) -> None:
    """Nothing of what is compared was empty, and the words of tenants were told to themselves."""
    assert all((found.ledger, found.may_fail, found.replays, found.hits, found.resources))
    for owner, word in found.canaries.items():
        rows = found.rows["chat_chats.messages"]
        assert any(word in row for row in rows), owner


KEPT: Sequence[Invariant] = (
    nobody_sees_what_is_anothers,
    secrets_are_written_nowhere,
    nothing_is_held_at_rest,
    what_models_count_is_what_is_billed,
    a_repeated_request_is_answered_alike,
    what_was_written_can_be_read,
    nobody_is_told_what_was_not_foreseen,
    deliveries_are_what_they_were,
)
