"""Admins and their sessions, made by the use cases themselves."""

from service.admin.actor import Actor
from service.admin.people.people import People
from service.admin.people.sign_in import SignIn
from service.domain.people import Admin, Client, Role
from service.store.pool import Pool

PASSWORD = "correct horse battery"
CLIENT = Client("192.0.2.7", "A browser")
MAKER = Actor("command line", "admin", "cli")


async def add_admin(pool: Pool, name: str = "Ada", role: Role = "admin") -> Admin:
    """An admin whose password is `PASSWORD`."""
    return await People(pool, "").create(MAKER, name=name, role=role, password=PASSWORD)


async def sign_in(pool: Pool, name: str = "Ada", client: Client = CLIENT) -> str:
    """The token of a new session."""
    return await SignIn(pool).sign_in(name, PASSWORD, client)
