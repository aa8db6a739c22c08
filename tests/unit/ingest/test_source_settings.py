"""What may happen to a source besides its ingestion: create, update, delete."""

from typing import Any

import pytest

from services.ingest.domain.source import Absent, Present, source_decider
from shared.contracts.base import Metadata
from shared.contracts.ingest import (
    CreateSource,
    DeleteSource,
    SourceCommand,
    SourceCreated,
    SourceEvent,
    SourceSettings,
    SourceType,
    SourceUpdated,
    UpdateSource,
)
from shared.kernel.errors import Conflict, InvalidCommand, NotFound
from shared.kernel.testing import Scenario
from tests.unit.ingest.samples import CREATE, CREATED, DELETED, SETTINGS, requested, started

SourceScenario = Scenario[Absent | Present, SourceCommand, SourceEvent]
DELETE = DeleteSource(source_id="s1")


@pytest.fixture
def source(metadata: Metadata) -> SourceScenario:
    return Scenario(source_decider, metadata)


def update(**changes: Any) -> UpdateSource:
    return UpdateSource(source_id="s1", changes=changes)


def updated(**changes: Any) -> SourceUpdated:
    settings = SETTINGS.model_copy(update=changes)
    changed = tuple(name for name in SourceSettings.model_fields if name in changes)
    return SourceUpdated(source_id="s1", bot_profile_id="b1", settings=settings, changed=changed)


class TestCreating:
    def test_records_the_source_with_all_its_settings(self, source: SourceScenario) -> None:
        source.given().when(CREATE).then(CREATED)

    def test_under_a_known_id_is_refused(self, source: SourceScenario) -> None:
        source.given(CREATED).when(CREATE).then_refused(Conflict, "exists already")
        source.given(CREATED, DELETED).when(CREATE).then_refused(Conflict)

    def test_keeps_the_parent(self, source: SourceScenario) -> None:
        order = CREATE.model_copy(update={"parent_id": "p1"})
        source.when(order).then(CREATED.model_copy(update={"parent_id": "p1"}))

    def test_a_text_needs_no_address(self, source: SourceScenario) -> None:
        settings = SourceSettings(name="Note", content_ref="blob")
        order = CreateSource(
            source_id="s1", bot_profile_id="b1", source_type="text", settings=settings
        )
        source.when(order).then(
            SourceCreated(
                source_id="s1", bot_profile_id="b1", source_type="text", settings=settings
            )
        )

    @pytest.mark.parametrize(
        "config",
        [
            {"url": None},
            {"url": ""},
            {"url": 5},
            {"url": ["https://docs.example/"]},
            {"url": "docs.example"},
            {"url": "ftp://docs.example/"},
            {"url": "file:///etc/passwd"},
            {"url": "javascript:alert(1)"},
            {"url": " https://docs.example/"},
        ],
    )
    def test_an_address_that_is_none_is_refused_and_the_field_named(
        self, source: SourceScenario, config: dict[str, Any]
    ) -> None:
        order = CREATE.model_copy(update={"settings": SourceSettings(name="x", config=config)})
        with pytest.raises(InvalidCommand, match="http or https") as refusal:
            source.when(order).then()
        assert refusal.value.field == "config.url"

    def test_a_parent_of_pages_has_no_address_of_its_own(self, source: SourceScenario) -> None:
        order = CREATE.model_copy(update={"settings": SourceSettings(name="Site")})
        created = CREATED.model_copy(update={"settings": SourceSettings(name="Site")})
        source.when(order).then(created)

    @pytest.mark.parametrize("source_type", ["text", "upload", "url", "nyxcore"])
    def test_a_token_in_a_config_is_refused_whatever_the_type(
        self, source: SourceScenario, source_type: SourceType
    ) -> None:
        settings = SourceSettings(name="x", config={"api_token": "t"})
        order = CREATE.model_copy(update={"source_type": source_type, "settings": settings})
        with pytest.raises(InvalidCommand) as refusal:
            source.when(order).then()
        assert refusal.value.field == "config.api_token"

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"base_url": "https://knowledge.example", "limit": 1},
            {"limit": 100, "authority": []},
            {"authority": ["mandatory", "guideline", "informational"]},
            {"authority": None},
        ],
    )
    def test_a_remote_api_is_taken_with_any_part_left_out(
        self, source: SourceScenario, config: dict[str, Any]
    ) -> None:
        settings = SourceSettings(name="x", config=config, token_ref="ref")
        order = CREATE.model_copy(update={"source_type": "nyxcore", "settings": settings})
        source.when(order).then(
            CREATED.model_copy(update={"source_type": "nyxcore", "settings": settings})
        )

    @pytest.mark.parametrize(
        ("config", "field"),
        [
            ({"base_url": "ftp://knowledge.example"}, "base_url"),
            ({"base_url": None}, "base_url"),
            ({"limit": 0}, "limit"),
            ({"limit": 101}, "limit"),
            ({"limit": "10"}, "limit"),
            ({"limit": True}, "limit"),
            ({"limit": None}, "limit"),
            ({"authority": "mandatory"}, "authority"),
            ({"authority": ["gospel"]}, "authority"),
            ({"authority": [["mandatory"]]}, "authority"),
        ],
    )
    def test_a_remote_api_with_a_fault_is_refused_by_its_field(
        self, source: SourceScenario, config: dict[str, Any], field: str
    ) -> None:
        settings = SourceSettings(name="x", config=config)
        order = CREATE.model_copy(update={"source_type": "nyxcore", "settings": settings})
        with pytest.raises(InvalidCommand) as refusal:
            source.when(order).then()
        assert refusal.value.field == f"config.{field}"

    @pytest.mark.parametrize("url", ["http://docs.example", "HTTPS://Docs.example/A"])
    def test_the_scheme_may_be_written_in_any_case(self, source: SourceScenario, url: str) -> None:
        settings = SourceSettings(name="Guide", config={"url": url})
        order = CREATE.model_copy(update={"settings": settings})
        source.when(order).then(CREATED.model_copy(update={"settings": settings}))


class TestUpdating:
    def test_tells_the_settings_as_they_are_from_then_on(self, source: SourceScenario) -> None:
        order = update(name="Manual", authority="mandatory", refresh_schedule="daily")
        source.given(CREATED).when(order).then(
            updated(name="Manual", authority="mandatory", refresh_schedule="daily")
        )

    def test_leaves_alone_what_is_not_named(self, source: SourceScenario) -> None:
        before = updated(description="Long", authority="guideline")
        source.given(CREATED, before).when(update(description="Short")).then(
            updated(description="Short", authority="guideline").model_copy(
                update={"changed": ("description",)}
            )
        )

    def test_to_what_is_already_so_is_no_news(self, source: SourceScenario) -> None:
        source.given(CREATED).when(update(name="Guide", is_active=True)).then_nothing()
        source.given(CREATED).when(update()).then_nothing()

    def test_ignores_fields_that_are_none_of_a_source(self, source: SourceScenario) -> None:
        source.given(CREATED).when(update(mood="good", source_id="s2")).then_nothing()

    def test_while_it_is_processed_is_allowed(self, source: SourceScenario) -> None:
        source.given(CREATED, requested(), started()).when(update(is_active=False)).then(
            updated(is_active=False)
        )

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": None}, "name"),
            ({"config": None}, "config"),
            ({"config": "text"}, "config"),
            ({"refresh_schedule": "yearly"}, "refresh_schedule"),
            ({"authority": "gospel"}, "authority"),
            ({"is_active": "perhaps"}, "is_active"),
            ({"config": {"url": "gopher://docs.example"}}, "config.url"),
        ],
    )
    def test_to_what_cannot_be_is_refused_and_the_field_named(
        self, source: SourceScenario, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidCommand) as refusal:
            source.given(CREATED).when(update(**changes)).then()
        assert refusal.value.field == field

    def test_what_is_not_there_is_refused(self, source: SourceScenario) -> None:
        source.given().when(update(name="x")).then_refused(NotFound, "Source not found")
        source.given(CREATED, DELETED).when(update(name="x")).then_refused(NotFound)

    def test_does_not_touch_what_answers(self, source: SourceScenario) -> None:
        source.given(CREATED, updated(name="Manual")).then_state(
            Present(
                bot_profile_id="b1",
                parent_id=None,
                source_type="url",
                settings=SETTINGS.model_copy(update={"name": "Manual"}),
            )
        )


class TestDeleting:
    def test_is_told_once(self, source: SourceScenario) -> None:
        source.given(CREATED).when(DELETE).then(DELETED)
        source.given(CREATED, DELETED).when(DELETE).then_nothing()

    def test_in_the_middle_of_a_run_ends_the_run(self, source: SourceScenario) -> None:
        source.given(CREATED, requested(), started()).when(DELETE).then(DELETED)
        source.given(CREATED, requested(), started(), DELETED).then_state(
            Present(
                bot_profile_id="b1",
                parent_id=None,
                source_type="url",
                settings=SETTINGS,
                deleted=True,
                run=None,
            )
        )

    def test_what_never_was_is_refused(self, source: SourceScenario) -> None:
        source.given().when(DELETE).then_refused(NotFound, "Source not found")
