"""What may happen to the index of a bot."""

import pytest

from services.chat.domain.bot_index import BotIndex, bot_index_decider
from shared.contracts.base import Metadata
from shared.contracts.chat_index import (
    BotIndexCommand,
    BotIndexEvent,
    FailReindex,
    IndexRetired,
    IndexSettings,
    IndexSwitched,
    ReindexCancelled,
    ReindexFailed,
    ReindexStarted,
    RetireIndex,
    RetryReindex,
    StartReindex,
    SwitchIndex,
)
from shared.kernel.errors import Conflict
from shared.kernel.testing import Scenario

IndexScenario = Scenario[BotIndex, BotIndexCommand, BotIndexEvent]

SMALL = IndexSettings(chunk_size=512, chunk_overlap=64)
OTHER = IndexSettings(embedder="text-embedding-3-small")


@pytest.fixture
def index(metadata: Metadata) -> IndexScenario:
    return Scenario(bot_index_decider, metadata)


def start(settings: IndexSettings, *, empty: bool = False) -> StartReindex:
    return StartReindex(bot_profile_id="b1", settings=settings, empty=empty)


def started(generation: int = 1, settings: IndexSettings = SMALL) -> ReindexStarted:
    return ReindexStarted(bot_profile_id="b1", generation=generation, settings=settings)


def switched(generation: int = 1, replaced: int = 0) -> IndexSwitched:
    return IndexSwitched(
        bot_profile_id="b1", generation=generation, replaced=replaced, settings=SMALL
    )


def failed(generation: int = 1) -> ReindexFailed:
    return ReindexFailed(
        bot_profile_id="b1", generation=generation, source_id="s1", reason="no key"
    )


class TestStarting:
    def test_other_settings_begin_a_generation(self, index: IndexScenario) -> None:
        index.when(start(SMALL)).then(started())

    def test_the_defaults_of_a_new_bot_begin_nothing(self, index: IndexScenario) -> None:
        index.when(start(IndexSettings(), empty=True)).then_nothing()

    def test_a_new_bot_answers_at_once_from_its_own_settings(self, index: IndexScenario) -> None:
        index.when(start(SMALL, empty=True)).then(started(), switched())

    def test_the_same_settings_again_begin_nothing(self, index: IndexScenario) -> None:
        index.given(started()).when(start(SMALL)).then_nothing()
        index.given(started(), switched()).when(start(SMALL)).then_nothing()

    def test_a_change_on_the_way_takes_the_place(self, index: IndexScenario) -> None:
        index.given(started()).when(start(OTHER)).then(started(2, OTHER))

    def test_settings_that_answer_already_end_what_is_on_its_way(
        self, index: IndexScenario
    ) -> None:
        cancelled = ReindexCancelled(bot_profile_id="b1", generation=1)
        index.given(started()).when(start(IndexSettings())).then(cancelled)
        index.given(started(), cancelled).when(start(SMALL)).then(started(2))

    def test_what_failed_begins_anew(self, index: IndexScenario) -> None:
        index.given(started(), failed()).when(start(SMALL)).then(started(2))
        index.given(started(), failed()).when(RetryReindex(bot_profile_id="b1")).then(started(2))

    def test_what_did_not_fail_is_not_tried_again(self, index: IndexScenario) -> None:
        retry = RetryReindex(bot_profile_id="b1")
        index.when(retry).then_refused(Conflict, "no failed re-index")
        index.given(started()).when(retry).then_refused(Conflict, "no failed re-index")


class TestEnding:
    def test_a_whole_generation_answers(self, index: IndexScenario) -> None:
        switch = SwitchIndex(bot_profile_id="b1", generation=1)
        index.given(started()).when(switch).then(switched())
        index.given(started(), switched()).when(switch).then_nothing()

    def test_one_that_was_superseded_or_failed_does_not(self, index: IndexScenario) -> None:
        switch = SwitchIndex(bot_profile_id="b1", generation=1)
        index.given(started(), started(2, OTHER)).when(switch).then_nothing()
        index.given(started(), failed()).when(switch).then_nothing()

    def test_a_failure_is_told_once_and_of_what_is_on_its_way_only(
        self, index: IndexScenario
    ) -> None:
        fail = FailReindex(bot_profile_id="b1", generation=1, source_id="s1", reason="no key")
        index.given(started()).when(fail).then(failed())
        index.given(started(), failed()).when(fail).then_nothing()
        index.given(started(), started(2, OTHER)).when(fail).then_nothing()

    def test_only_what_the_answering_generation_replaced_is_retired(
        self, index: IndexScenario
    ) -> None:
        retire = RetireIndex(bot_profile_id="b1", generation=1)
        index.given(started()).when(retire).then_nothing()
        index.given(started(), switched()).when(retire).then(
            IndexRetired(bot_profile_id="b1", generation=1)
        )
