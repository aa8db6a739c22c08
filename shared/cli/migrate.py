"""`minirag migrate`: the database and a role for every service, from an administrator's address.

Streams are made by the services themselves, and tables by their read models.
"""

import asyncpg
from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from shared.adapters.provision import DATABASE, provision, role
from shared.embedded.surroundings import SERVICES
from shared.kernel.errors import Unavailable, Unusable
from shared.runtime.settings import ProvisioningSettings, complaints


async def migrate() -> None:
    """Safe to repeat; sets passwords to those in the services' addresses.

    Raises `Unusable` if an address is not the one its service must use, and `Unavailable` if
    Postgres refuses or cannot be reached.
    """
    try:
        settings = ProvisioningSettings()
    except ValidationError as error:
        raise Unusable("; ".join(complaints(error))) from None
    passwords = {
        name: _password(name, getattr(settings, f"{name}_database_url").get_secret_value())
        for name in SERVICES
    }
    try:
        await provision(_plain(settings.admin_database_url.get_secret_value()), passwords)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(f"Postgres could not be provisioned: {error}") from error


def _password(service: str, address: str) -> str:
    variable = f"MINIRAG_{service.upper()}_DATABASE_URL"
    try:
        url = make_url(address)
    except ArgumentError:
        raise Unusable(f"{variable} is no address of a database") from None
    if (url.username, url.database) != (role(service), DATABASE):
        raise Unusable(f"{variable} must name the role {role(service)} and the database {DATABASE}")
    if not url.password:
        raise Unusable(f"{variable} holds no password")
    return str(url.password)


def _plain(address: str) -> str:
    """Without the driver that SQLAlchemy lets stand in the scheme."""
    try:
        url = make_url(address)
    except ArgumentError:
        raise Unusable("MINIRAG_ADMIN_DATABASE_URL is no address of a database") from None
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
