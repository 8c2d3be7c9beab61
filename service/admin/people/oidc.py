"""Sign-in through an OpenID Connect provider: authorization code with PKCE.

Admins are found by issuer and subject, never by name or e-mail: users can choose those at the
provider.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import structlog

from service.admin.changes import transaction
from service.admin.errors import NameTakenError
from service.admin.people.admins import add, set_role
from service.admin.people.oidc_provider import OidcClient, OidcProvider
from service.admin.people.oidc_role_sources import with_roles
from service.admin.people.oidc_roles import role_of
from service.admin.people.oidc_sessions import PROVIDER, OidcSessions, encrypt
from service.admin.people.sessions import Check, start_session
from service.admin.people.tokens import hash_of
from service.domain.errors import InvalidError
from service.domain.people import Admin, Client, Role, SignInRefusedError, parse_name
from service.settings import Settings
from service.store.clock import get_now
from service.store.people import admins, oidc_sessions, oidc_sign_ins, sessions
from service.store.people.oidc_sign_ins import PendingSignIn
from service.store.pool import Connection, Pool

NAME_CLAIMS = ("preferred_username", "name", "email", "sub")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in in progress: the provider's address, and the secret that ties it to the browser."""

    address: str
    binding: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A new session's token, and the page to open."""

    token: str
    return_to: str


@dataclass(frozen=True, slots=True)
class Oidc:
    """Signs in users of the provider; their role follows its claim at every sign-in."""

    pool: Pool
    provider: OidcProvider

    @property
    def name(self) -> str:
        """The label of the button."""
        return self.provider.client.name

    @property
    def check(self) -> Check:
        """Asks the provider whether a session goes on."""
        return OidcSessions(self.pool, self.provider).check

    async def begin(
        self, *, redirect_uri: str, return_to: str, network: str = "", is_known: bool = False
    ) -> Begun:
        """Send a browser to the provider. Raises `UnavailableError`.

        Sign-ins in progress are bounded by `network`; those of known browsers are dropped last.
        """
        state, binding = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        pending = PendingSignIn(secrets.token_urlsafe(32), secrets.token_urlsafe(48), return_to)
        digest = hashlib.sha256(pending.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        address = await self.provider.address(
            redirect_uri=redirect_uri, state=state, nonce=pending.nonce, challenge=challenge
        )
        await oidc_sign_ins.insert(
            self.pool,
            hash_of(state),
            hash_of(binding),
            pending,
            network=network,
            is_known=is_known,
        )
        return Begun(address, binding)

    async def finish(
        self, *, state: str, code: str, binding: str, redirect_uri: str, client: Client
    ) -> Finished:
        """Accept the provider's answer once, from the browser that began the sign-in.

        Raises `SignInRefusedError`, `UnavailableError`, `ConflictError` (`last_admin`).
        """
        pending = await oidc_sign_ins.consume(self.pool, hash_of(state), hash_of(binding))
        if pending is None:
            raise SignInRefusedError("This sign-in has expired or was used before. Start again.")
        if not code:
            raise SignInRefusedError("The sign-in provider refused the sign-in.")
        granted = await self.provider.redeem(
            code=code, verifier=pending.verifier, redirect_uri=redirect_uri
        )
        claims = await self.provider.verify(granted.id_token, pending.nonce)
        claims = await with_roles(self.provider, claims, granted.access_token)
        token = await self.sign_in(claims, client, granted.refresh_token)
        return Finished(token, pending.return_to)

    async def sign_in(
        self, claims: Mapping[str, Any], client: Client, refresh_token: str = ""
    ) -> str:
        """Begin a session of the admin with these claims, who may be new."""
        ours = self.provider.client
        subject = f"{ours.issuer}|{claims['sub']}"
        role = role_of(claims, ours.role_claim) or ours.default_role
        async with transaction(self.pool) as connection:
            await admins.lock(connection)
            admin = await admins.find_by_subject(connection, subject)
            if role is not None and (admin is None or admin.disabled_at is None):
                if admin is None:
                    admin = await create(connection, claims, role, subject)
                await set_role(connection, PROVIDER, admin, role)
                admin = await admins.find(connection, admin.id)
                assert admin is not None
                token = await start_session(connection, admin, client)
                if refresh_token:
                    kept = encrypt(refresh_token, token)
                    await oidc_sessions.insert(connection, hash_of(token), kept)
                log.info(
                    "sign_in.succeeded", admin_id=admin.id, way="oidc", checked=bool(refresh_token)
                )
                return token
            # A user without a role at the provider loses every session.
            if admin is not None:
                await sessions.end_all(connection, admin.id)
        log.warning("sign_in.refused", way="oidc", known=admin is not None)
        raise SignInRefusedError("Your account at the sign-in provider has no role here.")


async def create(
    connection: Connection, claims: Mapping[str, Any], role: Role, subject: str
) -> Admin:
    """Add a user of the provider as an admin with an unused name."""
    name = name_of(claims)
    for number in range(1, 100):
        try:
            return await add(
                connection,
                PROVIDER,
                name=name if number == 1 else f"{name} ({number})",
                role=role,
                subject=subject,
            )
        except NameTakenError:
            continue
    raise NameTakenError(f"99 admins are called {name}. Rename one.")


def name_of(claims: Mapping[str, Any]) -> str:
    """The name of a user: the first claim that is a valid name."""
    for claim in NAME_CLAIMS:
        text = claims.get(claim)
        try:
            if isinstance(text, str):
                return parse_name(text[:90])
        except InvalidError:
            continue
    return f"admin {hashlib.sha256(str(claims['sub']).encode()).hexdigest()[:12]}"


def build_oidc(settings: Settings, pool: Pool, session: aiohttp.ClientSession) -> Oidc:
    """Build the sign-in from the settings, which name a provider."""
    client = OidcClient(
        issuer=settings.callgate_oidc_issuer,
        client_id=settings.callgate_oidc_client_id,
        client_secret=settings.callgate_oidc_client_secret.get_secret_value(),
        scopes=settings.callgate_oidc_scopes,
        role_claim=settings.callgate_oidc_role_claim,
        default_role=settings.callgate_oidc_default_role or None,
        name=settings.callgate_oidc_name,
    )
    return Oidc(pool, OidcProvider(session, client, partial(get_now, pool)))
