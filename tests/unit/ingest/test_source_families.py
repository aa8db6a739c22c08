"""Parents and children: what is decided together, and what follows from the other's fate."""

import pytest

from services.ingest.domain.source import Absent, Present, source_decider
from services.ingest.handlers import AT_ONCE, DeleteChildrenFirst
from services.ingest.queries.sources import Children
from services.ingest.reactions.families import (
    IngestChildren,
    PassSettingsOn,
    RestoreChildren,
    SweepChildren,
)
from shared.contracts.base import Command, Done, Metadata
from shared.contracts.ingest import (
    BATCH_CHILDREN,
    ChildrenIngestionRequested,
    CreateSource,
    DeleteSource,
    IngestionRequested,
    RecordRemote,
    RequestChildrenIngestion,
    RequestIngestion,
    SourceCommand,
    SourceCreated,
    SourceEvent,
    SourceIngested,
    SourceSettings,
    SourceStatus,
    SourceType,
    SourceUpdated,
    UpdateSource,
)
from shared.contracts.ingest_stages import UndoSource
from shared.kernel.errors import Conflict, InvalidCommand, NotFound, StaleVersion, Unavailable
from shared.kernel.testing import Scenario
from tests.unit.ingest.samples import (
    BATCH,
    CREATE,
    CREATED,
    DELETED,
    PARENT,
    SETTINGS,
    UNDONE,
    requested,
    started,
)
from tests.unit.samples import TENANT, metadata, recorded

SourceScenario = Scenario[Absent | Present, SourceCommand, SourceEvent]


@pytest.fixture
def source(metadata: Metadata) -> SourceScenario:
    return Scenario(source_decider, metadata)


def created(source_id: str, settings: SourceSettings, **fields: object) -> SourceCreated:
    shape = {"source_id": source_id, "settings": settings, **fields}
    return CREATED.model_copy(update=shape)


class TestBatches:
    def test_make_the_parent_and_its_children_in_order(self, source: SourceScenario) -> None:
        source.when(BATCH).then(
            created("s1", PARENT),
            created("c1", SETTINGS, parent_id="s1"),
            created("c2", SourceSettings(name="Note"), parent_id="s1", source_type="text"),
        )

    def test_under_a_known_id_are_refused(self, source: SourceScenario) -> None:
        source.given(CREATED).when(BATCH).then_refused(Conflict)

    def test_without_children_are_refused(self, source: SourceScenario) -> None:
        empty = BATCH.model_copy(update={"children": ()})
        source.when(empty).then_refused(InvalidCommand, "At least one child source is required")

    def test_may_have_as_many_children_as_one_append_takes(self, source: SourceScenario) -> None:
        def batch(count: int) -> SourceCommand:
            one = BATCH.children[0]
            children = (one.model_copy(update={"source_id": f"c{n}"}) for n in range(count))
            return BATCH.model_copy(update={"children": tuple(children)})

        events = source_decider.decide(Absent(), batch(BATCH_CHILDREN), metadata())
        assert len(events) == BATCH_CHILDREN + 1 <= 1000
        source.when(batch(BATCH_CHILDREN + 1)).then_refused(InvalidCommand, "at most 500 children")

    def test_with_one_bad_child_are_refused_by_its_field(self, source: SourceScenario) -> None:
        bad = SourceSettings(name="x", config={"url": "gopher://x"})
        children = (BATCH.children[0], BATCH.children[0].model_copy(update={"settings": bad}))
        with pytest.raises(InvalidCommand) as refusal:
            source.when(BATCH.model_copy(update={"children": children})).then()
        assert refusal.value.field == "children.1.config.url"


class TestAFirstIngestion:
    def test_can_be_asked_for_with_the_source(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        order = CREATE.model_copy(update={"ingest": True})
        run = IngestionRequested(source_id="s1", run_id=metadata.message_id)
        source.when(order).then(CREATED, run)

    def test_of_children_is_asked_of_their_parent(self, source: SourceScenario) -> None:
        order = RequestChildrenIngestion(source_id="s1")
        asked = ChildrenIngestionRequested(source_id="s1")
        source.given(CREATED).when(order).then(asked)
        source.given(CREATED, requested(), started(), asked).when(order).then(asked)
        source.given(CREATED, DELETED).when(order).then_refused(NotFound, "Source not found")
        source.when(order).then_refused(NotFound, "Source not found")

    def test_of_remote_knowledge_ends_with_its_size(self, source: SourceScenario) -> None:
        order = RecordRemote(source_id="s1", run_id="r1", document_count=2, chunk_count=9)
        told = SourceIngested(
            source_id="s1",
            run_id="r1",
            revision=0,
            source_name="Guide",
            document_count=2,
            chunk_count=9,
        )
        source.given(CREATED, requested(), started()).when(order).then(told)
        source.given(CREATED, requested("r2")).when(order).then_nothing()
        source.given(CREATED, requested(), started(), told).when(order).then_nothing()


@pytest.mark.parametrize(
    ("children", "status"),
    [
        (Children(0, 0, 0, 0, 0), "ready"),
        (Children(3, 5, 1, 1, 1), "processing"),
        (Children(3, 5, 0, 1, 2), "error"),
        (Children(3, 5, 0, 0, 3), "ready"),
        (Children(3, 5, 0, 0, 2), "pending"),
        (Children(3, 0, 0, 0, 0), "pending"),
    ],
)
def test_a_parent_is_as_far_as_its_children_are(children: Children, status: SourceStatus) -> None:
    assert children.status("ready") == status


class Family:
    """A parent and its children, as the service knows them; remembers what was ordered."""

    def __init__(self, *children: str, stale: bool = False, shown: int = 100) -> None:
        self.children = list(children)
        self.stale = stale
        self.shown = shown
        self.ordered: list[Command] = []
        self.together: list[int] = []
        self.parents: dict[str, list[SourceEvent]] = {}
        self.refuses: dict[str, Exception] = {}

    async def children_of(self, tenant_id: str, parent_id: str) -> list[str]:
        assert (tenant_id, parent_id) == (TENANT, "s1")
        return self.children

    async def current(self, aggregate: str, tenant_id: str, source_id: str) -> Absent | Present:
        assert (aggregate, tenant_id) == ("source", TENANT)
        return source_decider.fold(self.parents.get(source_id, []))

    async def await_shown(self, _position: int, _seconds: float) -> int:
        return self.shown

    async def execute(self, command: Command, _meta: Metadata, purpose: str) -> Done:
        assert command.aggregate_id in purpose
        if (error := self.refuses.get(command.aggregate_id)) is not None:
            raise error
        self.ordered.append(command)
        return Done(position=1)

    async def execute_together(
        self, commands: list[Command] | tuple[Command, ...], _meta: Metadata, _purpose: str
    ) -> None:
        if self.stale:
            raise StaleVersion("moved")
        self.together.append(len(commands))
        self.ordered += commands


def deletions(*sources: str) -> list[DeleteSource]:
    return [DeleteSource(source_id=source, with_parent=True) for source in sources]


class TestDeletingAFamily:
    @staticmethod
    def before(family: Family) -> DeleteChildrenFirst:
        return DeleteChildrenFirst(family.execute, family.execute_together, family.children_of)  # type: ignore[arg-type]  # takes any sequence

    async def test_deletes_the_children_first_in_few_appends(self) -> None:
        family = Family(*(f"c{n}" for n in range(AT_ONCE + 1)))
        await self.before(family)(DeleteSource(source_id="s1"), metadata())
        assert family.together == [AT_ONCE, 1]
        assert family.ordered == deletions(*family.children)

    async def test_deletes_one_by_one_what_moves_meanwhile(self) -> None:
        family = Family("c1", "c2", stale=True)
        await self.before(family)(DeleteSource(source_id="s1"), metadata())
        assert family.ordered == deletions("c1", "c2")

    async def test_is_not_answered_while_a_child_is_left(self) -> None:
        family = Family("c1", "c2", stale=True)
        family.refuses["c2"] = Unavailable("the log does not answer")
        with pytest.raises(Unavailable):
            await self.before(family)(DeleteSource(source_id="s1"), metadata())

    async def test_other_commands_touch_no_child(self) -> None:
        family = Family("c1")
        for command in (CREATE, RequestIngestion(source_id="s1")):
            await self.before(family)(command, metadata())
        assert family.ordered == []


class TestPassingSettingsOn:
    OFF = SETTINGS.model_copy(update={"is_active": False, "authority": "mandatory"})

    async def pass_on(
        self, family: Family, *changed: str, source_type: SourceType = "website"
    ) -> None:
        website = CREATED.model_copy(update={"source_type": source_type})
        told = SourceUpdated(
            source_id="s1", bot_profile_id="b1", settings=self.OFF, changed=changed
        )
        family.parents["s1"] = [website, told]
        pass_on = PassSettingsOn(
            family.execute, family.current, family.children_of, family.await_shown
        )
        await pass_on(recorded(told))

    async def test_changes_each_page_as_the_website_was_changed(self) -> None:
        family = Family("c1", "c2")
        await self.pass_on(family, "name", "is_active")
        assert family.ordered == [
            UpdateSource(source_id=page, changes={"is_active": False}) for page in ("c1", "c2")
        ]

    async def test_leaves_alone_what_was_not_changed_and_what_is_no_website(self) -> None:
        family = Family("c1")
        await self.pass_on(family, "name", "config")
        await self.pass_on(family)
        await self.pass_on(family, "authority", source_type="url")
        assert family.ordered == []

    async def test_a_page_that_was_deleted_meanwhile_stops_nothing(self) -> None:
        family = Family("c1", "c2")
        family.refuses["c1"] = NotFound("Source not found")
        await self.pass_on(family, "authority")
        assert family.ordered == [UpdateSource(source_id="c2", changes={"authority": "mandatory"})]

    async def test_waits_until_all_pages_are_shown(self) -> None:
        with pytest.raises(Unavailable):
            await self.pass_on(Family("c1", shown=0), "authority")


class TestSweeping:
    @staticmethod
    def sweep(family: Family) -> SweepChildren:
        return SweepChildren(family.execute, family.current, family.children_of, family.await_shown)

    async def test_finds_children_that_a_deleted_parent_left(self) -> None:
        family = Family("c1", "c2")
        family.parents["s1"] = [CREATED, DELETED]
        await self.sweep(family)(recorded(DELETED))
        assert family.ordered == deletions("c1", "c2")

    async def test_finds_a_child_whose_parent_was_deleted(self) -> None:
        family = Family()
        family.parents["p"] = [CREATED, DELETED]
        await self.sweep(family)(recorded(created("c1", SETTINGS, parent_id="p")))
        assert family.ordered == deletions("c1")

    async def test_leaves_everybody_else_alone(self) -> None:
        family = Family("c1")
        family.parents = {"p": [CREATED], "s1": [CREATED, DELETED, UNDONE]}
        for event in (
            created("c2", SETTINGS, parent_id="p"),
            created("c2", SETTINGS, parent_id="unknown"),
            CREATED,
            DELETED.model_copy(update={"parent_id": "p"}),
            DELETED,  # undone meanwhile
        ):
            await self.sweep(family)(recorded(event))
        assert family.ordered == []

    async def test_waits_until_all_children_are_shown(self) -> None:
        family = Family("c1", shown=6)
        with pytest.raises(Unavailable):
            await self.sweep(family)(recorded(DELETED, 7))
        assert family.ordered == []


class TestRestoring:
    @staticmethod
    def restore(family: Family) -> RestoreChildren:
        return RestoreChildren(family.execute, family.children_of, family.await_shown)

    async def test_brings_back_the_children_that_went_with_their_parent(self) -> None:
        family = Family("c1", "c2", "c3")
        family.refuses["c2"] = Conflict("is being processed")
        await self.restore(family)(recorded(UNDONE))
        assert family.ordered == [UndoSource(source_id="c1"), UndoSource(source_id="c3")]

    @pytest.mark.parametrize("changes", [{"undeleted": False}, {"parent_id": "p"}])
    async def test_touches_no_child_otherwise(self, changes: dict[str, object]) -> None:
        family = Family("c1")
        await self.restore(family)(recorded(UNDONE.model_copy(update=changes)))
        assert family.ordered == []

    async def test_waits_until_the_deletion_is_shown(self) -> None:
        family = Family("c1", shown=6)
        with pytest.raises(Unavailable):
            await self.restore(family)(recorded(UNDONE, 7))


class TestIngestingChildren:
    @staticmethod
    def ingest(family: Family) -> IngestChildren:
        return IngestChildren(family.execute, family.children_of, family.await_shown)

    async def test_asks_for_every_child_and_passes_over_those_that_cannot(self) -> None:
        family = Family("c1", "c2", "c3", "c4")
        family.refuses = {"c2": Conflict("busy"), "c3": NotFound("gone")}
        await self.ingest(family)(recorded(ChildrenIngestionRequested(source_id="s1")))
        assert family.ordered == [
            RequestIngestion(source_id="c1"),
            RequestIngestion(source_id="c4"),
        ]

    async def test_tries_again_when_the_world_is_wrong(self) -> None:
        family = Family("c1")
        family.refuses = {"c1": Unavailable("no log")}
        with pytest.raises(Unavailable):
            await self.ingest(family)(recorded(ChildrenIngestionRequested(source_id="s1")))
        family.shown = 0
        with pytest.raises(Unavailable, match="not there yet"):
            await self.ingest(family)(recorded(ChildrenIngestionRequested(source_id="s1")))


def test_a_child_names_its_bot_and_type_like_any_source() -> None:
    order = CreateSource(
        source_id="c1", bot_profile_id="b1", parent_id="s1", source_type="url", settings=SETTINGS
    )
    assert source_decider.decide(Absent(), order, metadata()) == [
        created("c1", SETTINGS, parent_id="s1")
    ]
