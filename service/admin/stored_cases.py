"""The use cases that need PostgreSQL alone: most commands take these, and start without the rest."""

from functools import cached_property

from service.admin.calls.callers import Callers
from service.admin.people.passwords import Passwords
from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.admin.people.tokens import Tokens
from service.admin.reconcile.secrets import SecretRotation
from service.admin.usage.usage import UsageReports
from service.settings import Settings
from service.store.pool import Pool
from service.store.vault import open_vault


class StoredCases:
    """Each use case is built when it is first used, so that a command builds only what it needs."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self.settings = settings
        self.pool = pool

    @cached_property
    def secrets(self) -> SecretRotation:
        return SecretRotation(self.pool, self.settings.webhook_secrets)

    @cached_property
    def passwords(self) -> Passwords:
        return Passwords()

    @cached_property
    def people(self) -> People:
        token = self.settings.callgate_admin_token.get_secret_value()
        return People(self.pool, token, self.passwords)

    @cached_property
    def sessions(self) -> Sessions:
        """Those in the database; no sign-in provider is asked whether they go on."""
        return Sessions(self.pool)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.pool, self.settings.callgate_admin_token.get_secret_value())

    @cached_property
    def callers(self) -> Callers:
        folder = self.settings.callgate_data_dir
        key = open_vault(self.settings).keys[0]
        return Callers(self.pool, key, folder / "spool", folder / "relay-spool")

    @cached_property
    def usage(self) -> UsageReports:
        return UsageReports(self.pool)
