"""What may happen to the people of a tenant."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from services.gateway.domain.directory import Directory, directory_decider
from shared.contracts.base import Metadata
from shared.contracts.gateway import (
    ChangePassword,
    CreateUser,
    DeactivateUser,
    DirectoryCommand,
    DirectoryEvent,
    Role,
    UpdateUser,
    UserCreated,
    UserDeactivated,
    UserPasswordChanged,
    UserReactivated,
    UserUpdated,
)
from shared.kernel.errors import Conflict, NotFound, NotPermitted, Refused
from shared.kernel.testing import Scenario
from tests.unit.histories import play

DirectoryScenario = Scenario[Directory, DirectoryCommand, DirectoryEvent]
META = Metadata(
    tenant_id="t",
    message_id="m",
    correlation_id="c",
    now=datetime(2026, 1, 1, 12, 0, tzinfo=UTC),
)


@pytest.fixture
def people() -> DirectoryScenario:
    return Scenario(directory_decider, META)


def created(user_id: str, role: Role, email: str | None = None) -> UserCreated:
    return UserCreated(
        tenant_id="t",
        user_id=user_id,
        email=f"{user_id}@example.com",
        email_hash=email or f"hash of {user_id}",
        display_name="",
        role=role,
        password_ref=f"password/{user_id}",
    )


OLGA, OTTO, ADA, MAX = (
    created("olga", "owner"),
    created("otto", "owner"),
    created("ada", "admin"),
    created("max", "member"),
)


def create(actor: str, role: Role, email: str = "new") -> CreateUser:
    fields = created("new", role, email).model_dump()
    return CreateUser(actor_id=actor, **fields)


def update(actor: str, user: str, **changes: Any) -> UpdateUser:
    return UpdateUser(tenant_id="t", user_id=user, actor_id=actor, **changes)


def deactivate(actor: str, user: str) -> DeactivateUser:
    return DeactivateUser(tenant_id="t", user_id=user, actor_id=actor)


def updated(user: str, **changes: Any) -> UserUpdated:
    return UserUpdated(tenant_id="t", user_id=user, **changes)


def deactivated(user: str) -> UserDeactivated:
    return UserDeactivated(tenant_id="t", user_id=user)


class TestCreating:
    @pytest.mark.parametrize(
        ("actor", "role"),
        [("olga", "owner"), ("olga", "admin"), ("ada", "admin"), ("ada", "member")],
    )
    def test_nobody_makes_more_than_it_is(
        self, people: DirectoryScenario, actor: str, role: Role
    ) -> None:
        people.given(OLGA, ADA).when(create(actor, role)).then(created("new", role, "new"))

    @pytest.mark.parametrize(
        ("actor", "role"),
        [("ada", "owner"), ("max", "member"), ("nobody", "member")],
    )
    def test_whoever_would_is_refused(
        self, people: DirectoryScenario, actor: str, role: Role
    ) -> None:
        people.given(OLGA, ADA, MAX).when(create(actor, role)).then_refused(NotPermitted)

    def test_a_deactivated_admin_makes_nobody(self, people: DirectoryScenario) -> None:
        people.given(OLGA, ADA, deactivated("ada")).when(create("ada", "member")).then_refused(
            NotPermitted
        )

    def test_an_address_is_one_users(self, people: DirectoryScenario) -> None:
        taken = create("olga", "member", "hash of olga")
        people.given(OLGA).when(taken).then_refused(Conflict, "email already exists")

    def test_an_address_that_was_changed_is_free(self, people: DirectoryScenario) -> None:
        moved = updated("max", email="m@example.com", email_hash="moved")
        again = create("olga", "member", "hash of max")
        people.given(OLGA, MAX, moved).when(again).then(created("new", "member", "hash of max"))


class TestUpdating:
    def test_only_what_changes_is_told(self, people: DirectoryScenario) -> None:
        command = update("olga", "max", role="admin", display_name="Max")
        people.given(OLGA, MAX).when(command).then(updated("max", role="admin", display_name="Max"))

    @pytest.mark.parametrize(
        ("actor", "user", "role"),
        [
            ("olga", "max", "owner"),
            ("olga", "otto", "member"),
            ("ada", "max", "admin"),
            ("ada", "alan", "member"),
        ],
    )
    def test_a_role_is_given_and_taken_by_whoever_has_as_much(
        self, people: DirectoryScenario, actor: str, user: str, role: Role
    ) -> None:
        alan = created("alan", "admin")
        people.given(OLGA, OTTO, ADA, alan, MAX).when(update(actor, user, role=role)).then(
            updated(user, role=role)
        )

    def test_the_last_owner_keeps_her_role(self, people: DirectoryScenario) -> None:
        lowered = updated("otto", role="member")
        people.given(OLGA, OTTO, ADA, lowered).when(
            update("olga", "olga", role="admin")
        ).then_refused(NotPermitted, "your own rights")

    def test_nothing_new_is_nothing(self, people: DirectoryScenario) -> None:
        people.given(OLGA, MAX).when(update("olga", "max", role="member")).then_nothing()

    def test_another_password_is_told_apart(self, people: DirectoryScenario) -> None:
        command = update("olga", "max", password_ref="new", role="admin")
        changed = UserPasswordChanged(tenant_id="t", user_id="max", password_ref="new")
        people.given(OLGA, MAX).when(command).then(updated("max", role="admin"), changed)

    def test_an_account_is_given_back(self, people: DirectoryScenario) -> None:
        people.given(OLGA, MAX, deactivated("max")).when(
            update("olga", "max", is_active=True)
        ).then(UserReactivated(tenant_id="t", user_id="max"))

    @pytest.mark.parametrize(
        ("command", "error"),
        [
            (update("olga", "nobody"), NotFound),
            (update("max", "ada", display_name="x"), NotPermitted),
            (update("ada", "olga", display_name="x"), NotPermitted),
            (update("ada", "ada", role="owner"), NotPermitted),
            (update("ada", "ada", role="member"), NotPermitted),
            (update("ada", "ada", is_active=False), NotPermitted),
            (update("olga", "olga", role="admin"), NotPermitted),
            (update("olga", "max", email_hash="hash of ada"), Conflict),
        ],
    )
    def test_what_is_not_allowed_is_refused(
        self, people: DirectoryScenario, command: UpdateUser, error: type[Refused]
    ) -> None:
        people.given(OLGA, OTTO, ADA, MAX).when(command).then_refused(error)


class TestDeactivating:
    def test_it_happens_once(self, people: DirectoryScenario) -> None:
        people.given(OLGA, MAX).when(deactivate("olga", "max")).then(deactivated("max"))
        gone = deactivated("max")
        people.given(OLGA, MAX, gone).when(deactivate("olga", "max")).then_nothing()

    def test_another_owner_can_go_while_one_is_left(self, people: DirectoryScenario) -> None:
        people.given(OLGA, OTTO).when(deactivate("olga", "otto")).then(deactivated("otto"))

    @pytest.mark.parametrize(
        ("actor", "user", "error"),
        [
            ("olga", "nobody", NotFound),
            ("ada", "olga", NotPermitted),
            ("max", "max", NotPermitted),
            ("olga", "olga", NotPermitted),
            ("ada", "ada", NotPermitted),
        ],
    )
    def test_what_is_not_allowed_is_refused(
        self, people: DirectoryScenario, actor: str, user: str, error: type[Refused]
    ) -> None:
        people.given(OLGA, OTTO, ADA, MAX).when(deactivate(actor, user)).then_refused(error)


class TestPasswords:
    def test_an_own_password_is_changed_and_the_session_kept(
        self, people: DirectoryScenario
    ) -> None:
        command = ChangePassword(tenant_id="t", user_id="max", password_ref="new", kept_session="s")
        changed = UserPasswordChanged(
            tenant_id="t", user_id="max", password_ref="new", kept_session="s"
        )
        people.given(OLGA, MAX).when(command).then(changed)
        people.given(OLGA, MAX, deactivated("max")).when(command).then_refused(NotPermitted)


NAMES = ("olga", "otto", "ada", "max", "new")
names = st.sampled_from(NAMES)
roles = st.sampled_from(("owner", "admin", "member"))
commands = st.one_of(
    st.builds(create, names, roles),
    st.builds(
        lambda actor, user, role, active: update(actor, user, role=role, is_active=active),
        names,
        names,
        st.none() | roles,
        st.none() | st.booleans(),
    ),
    st.builds(deactivate, names, names),
)


@given(orders=st.lists(commands, max_size=30))
def test_whatever_is_ordered_an_active_owner_is_left(orders: list[DirectoryCommand]) -> None:
    directory = directory_decider.fold([OLGA, OTTO, ADA, MAX])
    for order in orders:
        directory, _ = play(directory_decider, [order], directory)
        owners = [one for one in directory.people.values() if one.role == "owner" and one.active]
        assert owners
        hashes = [one.email_hash for one in directory.people.values()]
        assert len(hashes) == len(set(hashes))
