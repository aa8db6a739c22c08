"""What may happen to the people of a tenant.

They are one aggregate, because its rules are about all of them together: an e-mail address is
one user's, and an active owner is always left. The latter follows from two smaller rules: only an
active owner takes an owner's rights, and nobody takes the own ones. Each user is decided about with
the roles as they are at that moment, not as somebody's credential once said.
"""

from collections.abc import Mapping, Sequence

from pydantic import Field, TypeAdapter

from shared.contracts.base import Message, Metadata
from shared.contracts.gateway import (
    ChangePassword,
    CreateUser,
    DeactivateUser,
    DirectoryCommand,
    DirectoryEvent,
    EraseUser,
    Role,
    UpdateUser,
    UserCreated,
    UserDeactivated,
    UserErased,
    UserPasswordChanged,
    UserReactivated,
    UserUpdated,
)
from shared.kernel.decider import Decider
from shared.kernel.errors import Conflict, NotFound, NotPermitted

RANK: Mapping[Role, int] = {"member": 0, "admin": 1, "owner": 2}


class Person(Message):
    email_hash: str
    role: Role
    active: bool = True


class Directory(Message):
    """Nobody, at first. Holds no personal text."""

    people: Mapping[str, Person] = Field(default_factory=dict)


def decide(
    directory: Directory, command: DirectoryCommand, _meta: Metadata
) -> Sequence[DirectoryEvent]:
    """Raises `NotPermitted`, `NotFound` or `Conflict`."""
    match command:
        case CreateUser():
            return _create(directory, command)
        case UpdateUser():
            return _update(directory, command)
        case DeactivateUser():
            person = _person(directory, command.user_id)
            _may_touch(directory, command.actor_id, person)
            if not person.active:
                return []
            _not_oneself(command.actor_id, command.user_id)
            return [UserDeactivated(tenant_id=command.tenant_id, user_id=command.user_id)]
        case EraseUser(tenant_id=tenant_id, user_id=user_id):
            known = user_id in directory.people
            return [UserErased(tenant_id=tenant_id, user_id=user_id)] if known else []
        case ChangePassword():
            if not _person(directory, command.user_id).active:
                raise NotPermitted("Account is disabled")
            return [
                UserPasswordChanged(
                    tenant_id=command.tenant_id,
                    user_id=command.user_id,
                    password_ref=command.password_ref,
                    kept_session=command.kept_session,
                )
            ]


def evolve(directory: Directory, event: DirectoryEvent) -> Directory:
    """Never raises."""
    person = directory.people.get(event.user_id)
    match event:
        case UserCreated():
            person = Person(email_hash=event.email_hash, role=event.role)
        case UserUpdated() if person is not None:
            changes = {"email_hash": event.email_hash, "role": event.role}
            given = {name: value for name, value in changes.items() if value is not None}
            person = person.model_copy(update=given)
        case UserDeactivated() if person is not None:
            person = person.model_copy(update={"active": False})
        case UserReactivated() if person is not None:
            person = person.model_copy(update={"active": True})
        case UserErased(user_id=user_id):
            left = {one: kept for one, kept in directory.people.items() if one != user_id}
            return Directory(people=left)
        case UserUpdated() | UserDeactivated() | UserReactivated() | UserPasswordChanged():
            return directory
    return Directory(people={**directory.people, event.user_id: person})


def _create(directory: Directory, command: CreateUser) -> Sequence[DirectoryEvent]:
    if command.user_id in directory.people:
        raise Conflict("A user with this id exists already")
    _may_give(directory, command.actor_id, command.role)
    _is_free(directory, command.email_hash, command.user_id)
    return [
        UserCreated(
            tenant_id=command.tenant_id,
            user_id=command.user_id,
            email=command.email,
            email_hash=command.email_hash,
            display_name=command.display_name,
            role=command.role,
            password_ref=command.password_ref,
        )
    ]


def _update(directory: Directory, command: UpdateUser) -> Sequence[DirectoryEvent]:
    person = _person(directory, command.user_id)
    _may_touch(directory, command.actor_id, person)
    role = command.role or person.role
    if role != person.role:
        _may_give(directory, command.actor_id, role)
        if RANK[role] < RANK[person.role]:
            _not_oneself(command.actor_id, command.user_id)
    if command.email_hash is not None:
        _is_free(directory, command.email_hash, command.user_id)
    changes = {
        "email": command.email,
        "email_hash": command.email_hash,
        "display_name": command.display_name,
        "role": role if role != person.role else None,
    }
    about = {"tenant_id": command.tenant_id, "user_id": command.user_id}
    events: list[DirectoryEvent] = []
    if any(value is not None for value in changes.values()):
        events.append(UserUpdated.model_validate({**about, **changes}))
    if command.password_ref is not None:
        events.append(UserPasswordChanged(**about, password_ref=command.password_ref))
    if command.is_active is True and not person.active:
        events.append(UserReactivated(**about))
    if command.is_active is False and person.active:
        _not_oneself(command.actor_id, command.user_id)
        events.append(UserDeactivated(**about))
    return events


def _person(directory: Directory, user_id: str) -> Person:
    person = directory.people.get(user_id)
    if person is None:
        raise NotFound("User not found")
    return person


def _rank_of(directory: Directory, actor_id: str) -> int:
    """How much the actor may. Raises `NotPermitted` unless it may manage users at all."""
    actor = directory.people.get(actor_id)
    if actor is None or not actor.active or RANK[actor.role] < RANK["admin"]:
        raise NotPermitted("Only owners and admins can manage users")
    return RANK[actor.role]


def _may_give(directory: Directory, actor_id: str, role: Role) -> None:
    if RANK[role] > _rank_of(directory, actor_id):
        raise NotPermitted("Only owners can manage owners")


def _may_touch(directory: Directory, actor_id: str, person: Person) -> None:
    if RANK[person.role] > _rank_of(directory, actor_id):
        raise NotPermitted("Only owners can manage owners")


def _not_oneself(actor_id: str, user_id: str) -> None:
    if actor_id == user_id:
        raise NotPermitted("You cannot take your own rights away; another owner or admin can")


def _is_free(directory: Directory, email_hash: str, user_id: str) -> None:
    for key, person in directory.people.items():
        if key != user_id and person.email_hash == email_hash:
            raise Conflict("A user with this email already exists in this tenant", field="email")


directory_decider: Decider[Directory, DirectoryCommand, DirectoryEvent] = Decider(
    aggregate="directory",
    initial=Directory(),
    state=TypeAdapter(Directory),
    decide=decide,
    evolve=evolve,
)
