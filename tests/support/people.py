"""Admins and their sessions, made by the use cases themselves."""

from argon2 import PasswordHasher

from service.admin.actor import Actor
from service.admin.people.passwords import Passwords
from service.admin.people.people import People
from service.admin.people.sign_in import SignIn
from service.domain.people import Admin, Client, Role
from service.store.pool import Pool

PASSWORD = "correct horse battery"
CLIENT = Client("192.0.2.7", "A browser")
MAKER = Actor("command line", "admin", "cli")

HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
UNKNOWN = HASHER.hash("a password that no admin has")


def quick_passwords() -> Passwords:
    """Passwords without the work that makes guessing expensive: 0.1 s of a core for each."""
    return Passwords(HASHER, UNKNOWN)


def people_on(pool: Pool, code: str = "") -> People:
    """The use cases, with such passwords."""
    return People(pool, code, quick_passwords())


async def add_admin(pool: Pool, name: str = "Ada", role: Role = "admin") -> Admin:
    """An admin whose password is `PASSWORD`."""
    return await people_on(pool).create(MAKER, name=name, role=role, password=PASSWORD)


async def sign_in(pool: Pool, name: str = "Ada", client: Client = CLIENT) -> str:
    """The token of a new session."""
    return await SignIn(pool, quick_passwords()).sign_in(name, PASSWORD, client)
