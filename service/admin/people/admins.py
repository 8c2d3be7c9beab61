"""Steps that all changes of admins share; each runs inside an open transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from service.admin.actor import Actor
from service.admin.changes import record
from service.admin.errors import AdminNotFoundError, LastAdminError, NameTakenError
from service.admin.requests.versions import version_of
from service.domain.people import Admin, Role, key_of
from service.store.people import admins as store
from service.store.pool import Connection, Pool


def audited(admin: Admin) -> Mapping[str, Any]:
    """An admin as audited."""
    found: dict[str, Any] = {"name": admin.name, "role": admin.role}
    if admin.subject is not None:
        found["subject"] = admin.subject
    return found


def admin_version(admin: Admin) -> str:
    """The version that a change replaces; signing in changes nothing of it."""
    return version_of({"id": admin.id, "role": admin.role, "updated_at": admin.updated_at})


async def add(
    connection: Connection,
    actor: Actor,
    *,
    name: str,
    role: Role,
    password_hash: str | None = None,
    subject: str | None = None,
) -> Admin:
    """Add an admin in an open transaction. Raises `NameTakenError`."""
    made = await store.insert(
        connection,
        name=name,
        name_key=key_of(name),
        role=role,
        password_hash=password_hash,
        subject=subject,
        created_by=actor.name,
    )
    if made is None:
        raise NameTakenError(field="name")
    admin = await get(connection, made)
    # The first admin exists now, so set-up codes are no longer needed.
    await store.delete_codes(connection)
    await record(connection, actor, "admin.created", made, after=audited(admin))
    return admin


async def get(database: Pool | Connection, admin_id: UUID) -> Admin:
    """Raises `NotFoundError`."""
    found = await store.find(database, admin_id)
    if found is None:
        raise AdminNotFoundError
    return found


async def set_role(connection: Connection, actor: Actor, admin: Admin, role: Role) -> None:
    """Change the role. `store.lock` is held. Raises `LastAdminError`."""
    if admin.role == role:
        return
    await keep_one(connection, admin)
    await store.update_role(connection, admin.id, role)
    await record(
        connection,
        actor,
        "admin.role_changed",
        admin.id,
        before=audited(admin),
        after={**audited(admin), "role": role},
    )


async def keep_one(connection: Connection, admin: Admin) -> None:
    """Keep one enabled admin with the role admin. Raises `LastAdminError`."""
    if admin.role != "admin" or admin.disabled_at is not None:
        return
    if not await store.has_other_admin(connection, admin.id):
        raise LastAdminError(
            f"{admin.name} is the last admin with the role admin. Give that role to another admin "
            "first."
        )
