"""What may happen to the source of a page: it begins with what the crawl fetched."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from services.ingest.domain.source import Absent, Present, source_decider
from shared.contracts.base import Metadata
from shared.contracts.ingest import (
    BatchChild,
    ConfirmPage,
    CreateSource,
    DeleteSource,
    ImportPage,
    IngestionRequested,
    RecordFailed,
    RequestChildrenIngestion,
    RequestIngestion,
    SourceCommand,
    SourceCreated,
    SourceEvent,
    SourceFetched,
    SourceSettings,
    SourceUnchanged,
    StartIngestion,
)
from shared.kernel.errors import InvalidCommand
from shared.kernel.testing import Scenario
from tests.unit.histories import play
from tests.unit.ingest.samples import (
    BATCH,
    CREATED,
    DELETED,
    SETTINGS,
    fetched,
    ready,
    requested,
    started,
)

SourceScenario = Scenario[Absent | Present, SourceCommand, SourceEvent]
URL = "https://docs.example/page"
PAGE = SourceSettings(name="Page", config={"url": URL}, authority="guideline")
SITE = SourceSettings(name="Site", config={"root_url": "https://docs.example/"})
SITE_CREATED = CREATED.model_copy(update={"source_type": "website", "settings": SITE})


def import_page(**fields: Any) -> ImportPage:
    return ImportPage(
        **{
            "source_id": "s1",
            "bot_profile_id": "b1",
            "parent_id": "p1",
            "settings": PAGE,
            "raw_ref": "raw",
            "media_type": "text/html",
            "requested_url": URL,
            "etag": '"1"',
            "size": 10,
            **fields,
        }
    )


def came(run: str) -> SourceFetched:
    return fetched(run, requested_url=URL, url=URL)


@pytest.fixture
def source(metadata: Metadata) -> SourceScenario:
    return Scenario(source_decider, metadata)


class TestImporting:
    def test_makes_the_source_and_its_run_with_what_came(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        run = metadata.message_id
        source.given().when(import_page()).then(
            SourceCreated(
                source_id="s1",
                bot_profile_id="b1",
                parent_id="p1",
                source_type="url",
                settings=PAGE,
            ),
            IngestionRequested(source_id="s1", run_id=run),
            came(run),
        )

    def test_again_begins_a_run_and_leaves_what_the_owner_changed(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        run = metadata.message_id
        source.given(CREATED, *ready()).when(import_page()).then(
            IngestionRequested(source_id="s1", run_id=run), came(run)
        )

    def test_gives_what_came_to_a_run_that_has_fetched_nothing_yet(
        self, source: SourceScenario
    ) -> None:
        source.given(CREATED, requested()).when(import_page()).then(came("r1"))
        source.given(CREATED, requested(), started()).when(import_page()).then(came("r1"))

    def test_leaves_a_run_alone_that_has(self, source: SourceScenario) -> None:
        past = (CREATED, requested(), started(), fetched())
        source.given(*past).when(import_page()).then_nothing()

    def test_does_not_bring_a_deleted_source_back(self, source: SourceScenario) -> None:
        source.given(CREATED, DELETED).when(import_page()).then_nothing()


class TestConfirming:
    def test_tells_that_nothing_changed(self, source: SourceScenario, metadata: Metadata) -> None:
        confirm = ConfirmPage(source_id="s1")
        source.given(CREATED, *ready()).when(confirm).then(
            SourceUnchanged(source_id="s1", run_id=metadata.message_id)
        )
        state = source_decider.fold(
            [CREATED, *ready(), SourceUnchanged(source_id="s1", run_id="r2")]
        )
        assert state == source_decider.fold([CREATED, *ready()])

    @pytest.mark.parametrize("past", [[], [CREATED, DELETED], [CREATED, requested()]])
    def test_is_too_late_for_what_is_gone_or_on_its_way(
        self, source: SourceScenario, past: list[SourceEvent]
    ) -> None:
        source.given(*past).when(ConfirmPage(source_id="s1")).then_nothing()


class TestAWebsite:
    def test_has_no_parent(self, source: SourceScenario) -> None:
        order = CreateSource(
            source_id="s1",
            bot_profile_id="b1",
            parent_id="p1",
            source_type="website",
            settings=SITE,
        )
        source.when(order).then_refused(InvalidCommand, "no parent")
        child = BatchChild(source_id="c1", source_type="website", settings=SITE)
        batch = BATCH.model_copy(update={"children": (child,)})
        source.when(batch).then_refused(InvalidCommand, "no parent")

    def test_needs_a_root(self, source: SourceScenario) -> None:
        order = CreateSource(
            source_id="s1", bot_profile_id="b1", source_type="website", settings=SETTINGS
        )
        source.when(order).then_refused(InvalidCommand, "root_url")

    def test_is_ingested_as_a_whole_when_its_children_are_to_be(
        self, source: SourceScenario, metadata: Metadata
    ) -> None:
        order = RequestChildrenIngestion(source_id="s1")
        source.given(SITE_CREATED).when(order).then(requested(metadata.message_id))
        source.given(SITE_CREATED, requested()).when(order).then_nothing()


ORDERS: list[SourceCommand] = [
    import_page(),
    ConfirmPage(source_id="s1"),
    RequestIngestion(source_id="s1"),
    DeleteSource(source_id="s1"),
    *(StartIngestion(source_id="s1", run_id=run, attempt=1) for run in ("order 0", "order 1")),
    *(RecordFailed(source_id="s1", run_id=run, reason="x") for run in ("order 0", "order 1")),
]


@given(st.lists(st.sampled_from(ORDERS), max_size=20))
def test_runs_follow_each_other_and_each_fetches_once(orders: list[SourceCommand]) -> None:
    _, happened = play(source_decider, orders)
    fetches = [event.run_id for event in happened if isinstance(event, SourceFetched)]
    assert len(set(fetches)) == len(fetches)
    assert [event.name for event in happened].count("created") <= 1
