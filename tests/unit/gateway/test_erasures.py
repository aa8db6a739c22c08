"""What may happen to an erasure."""

from datetime import UTC, datetime

import pytest

from services.gateway.domain.directory import Directory, directory_decider
from services.gateway.domain.erasures import ErasureState, erasure_decider
from services.gateway.domain.retention import Retention, TooOld, retention_decider, too_old
from shared.contracts.base import Metadata
from shared.contracts.gateway import (
    CreateUser,
    DirectoryCommand,
    DirectoryEvent,
    EraseUser,
    UserCreated,
    UserErased,
)
from shared.contracts.gateway_erasure import (
    PARTICIPANTS,
    ErasureCommand,
    ErasureCompleted,
    ErasureEvent,
    ErasurePartDone,
    ErasureRequested,
    ErasureTold,
    RecordErasurePart,
    RecordErasureTold,
    RequestErasure,
    RetentionSet,
    SetRetention,
)
from shared.kernel.testing import Scenario

META = Metadata(
    tenant_id="t", message_id="m", correlation_id="c", now=datetime(2026, 1, 1, tzinfo=UTC)
)
REQUESTED = ErasureRequested(erasure_id="e", kind="visitor", subject_id="v")
TOLD = ErasureTold(erasure_id="e", kind="visitor", subject_id="v", counts={"chats": 2})
PARTS = [ErasurePartDone(erasure_id="e", service=service) for service in PARTICIPANTS]


@pytest.fixture
def erasure() -> Scenario[ErasureState, ErasureCommand, ErasureEvent]:
    return Scenario(erasure_decider, META)


class TestAnErasure:
    def test_is_requested_once(
        self, erasure: Scenario[ErasureState, ErasureCommand, ErasureEvent]
    ) -> None:
        command = RequestErasure(erasure_id="e", kind="visitor", subject_id="v")
        erasure.when(command).then(REQUESTED)
        erasure.given(REQUESTED).when(command).then_nothing()

    def test_is_told_once_with_what_it_took(
        self, erasure: Scenario[ErasureState, ErasureCommand, ErasureEvent]
    ) -> None:
        command = RecordErasureTold(erasure_id="e", counts={"chats": 2})
        erasure.given(REQUESTED).when(command).then(TOLD)
        erasure.given(REQUESTED, TOLD).when(command).then_nothing()
        erasure.when(command).then_nothing()

    def test_goes_on_part_by_part_once_it_is_told(
        self, erasure: Scenario[ErasureState, ErasureCommand, ErasureEvent]
    ) -> None:
        command = RecordErasurePart(erasure_id="e", service="chat")
        done = ErasurePartDone(erasure_id="e", service="chat")
        erasure.given(REQUESTED).when(command).then_nothing()
        erasure.given(REQUESTED, TOLD).when(command).then(done)
        erasure.given(REQUESTED, TOLD, done).when(command).then_nothing()

    def test_ends_with_the_last_part(
        self, erasure: Scenario[ErasureState, ErasureCommand, ErasureEvent]
    ) -> None:
        *others, last = PARTS
        completed = ErasureCompleted(
            erasure_id="e", kind="visitor", subject_id="v", counts={"chats": 2}
        )
        command = RecordErasurePart(erasure_id="e", service=last.service)
        erasure.given(REQUESTED, TOLD, *others).when(command).then(last, completed)
        erasure.given(REQUESTED, TOLD, *PARTS, completed).when(command).then_nothing()


class TestAnErasedUser:
    ANNA = UserCreated(
        tenant_id="t",
        user_id="anna",
        email="anna@velo.example",
        email_hash="h1",
        display_name="Anna",
        role="owner",
        password_ref="p1",
    )
    BEN = ANNA.model_copy(update={"user_id": "ben", "email_hash": "h2", "role": "member"})
    ERASED = UserErased(tenant_id="t", user_id="ben")
    ERASE = EraseUser(tenant_id="t", user_id="ben")

    @pytest.fixture
    def people(self) -> Scenario[Directory, DirectoryCommand, DirectoryEvent]:
        return Scenario(directory_decider, META)

    def test_is_erased_once(
        self, people: Scenario[Directory, DirectoryCommand, DirectoryEvent]
    ) -> None:
        people.given(self.ANNA, self.BEN).when(self.ERASE).then(self.ERASED)
        people.given(self.ANNA, self.BEN, self.ERASED).when(self.ERASE).then_nothing()

    def test_leaves_its_address_to_others(
        self, people: Scenario[Directory, DirectoryCommand, DirectoryEvent]
    ) -> None:
        again = self.BEN.model_copy(update={"user_id": "carl"})
        create = CreateUser(actor_id="anna", **again.model_dump())
        people.given(self.ANNA, self.BEN, self.ERASED).when(create).then(again)


class TestRetention:
    def test_is_told_when_it_changes(self) -> None:
        retention = Scenario(retention_decider, META)
        told = RetentionSet(tenant_id="t", chats_days=30)
        retention.when(SetRetention(tenant_id="t", chats_days=30)).then(told)
        retention.given(told).when(SetRetention(tenant_id="t", chats_days=30)).then_nothing()
        more = SetRetention(tenant_id="t", chats_days=30, audit_days=60)
        retention.given(told).when(more).then(
            RetentionSet(tenant_id="t", chats_days=30, audit_days=60)
        )
        forever = RetentionSet(tenant_id="t")
        retention.given(told).when(SetRetention(tenant_id="t")).then(forever)

    def test_tells_what_has_become_too_old(self) -> None:
        at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        assert too_old(Retention(), at) is None
        old = too_old(Retention(chats_days=1, deliveries_days=7), at)
        assert old == TooOld(
            before=datetime(2026, 2, 28, 12, 0, tzinfo=UTC),
            deliveries_before=datetime(2026, 2, 22, 12, 0, tzinfo=UTC),
        )
