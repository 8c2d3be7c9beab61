"""The settings of organizations for one policy, each merged over the environment's and checked once."""

import time
from collections.abc import Callable, Mapping
from uuid import UUID

from pydantic import BaseModel

from policies.host.settings import PolicySettingsModel, UnfitSettingsError
from service.domain.policies.choices import OwnChoice

MOST_KNOWN = 50_000
RECENT_SECONDS = 600.0

Unseal = Callable[[object], object]
Fitted = BaseModel | UnfitSettingsError


class OwnSettings:
    """Remembers what each organization's settings are as the policy's model has them. `unseal` gives
    the stored value of a secret in clear."""

    def __init__(self, model: PolicySettingsModel) -> None:
        self.model = model
        self.unseal: Unseal = same
        self.known: dict[UUID, tuple[Mapping[str, object], Fitted]] = {}
        self.refused: dict[UUID, float] = {}

    def read(self, organization_id: UUID, own: OwnChoice | None) -> BaseModel | None:
        """The settings for an organization; None while a value is missing. Raises
        `UnfitSettingsError` for stored ones that the model refuses, as after an upgrade."""
        if own is None or own.settings is None:
            return self.model.default
        known = self.known.get(organization_id)
        if known is None or (known[0] is not own.settings and known[0] != own.settings):
            known = own.settings, self.fit(own.settings)
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[organization_id] = known
        fitted = known[1]
        if isinstance(fitted, UnfitSettingsError):
            self.refused[organization_id] = time.monotonic()
            raise fitted
        if self.refused:
            self.refused.pop(organization_id, None)
        return fitted

    def count_refused(self) -> int:
        """Organizations whose settings were refused when the policy was asked in the last minutes."""
        since = time.monotonic() - RECENT_SECONDS
        self.refused = {one: at for one, at in self.refused.items() if at > since}
        return len(self.refused)

    def fit(self, settings: Mapping[str, object]) -> Fitted:
        try:
            return self.model.merged({name: self.unseal(one) for name, one in settings.items()})
        except UnfitSettingsError as exc:
            return exc
        except Exception as exc:  # a validator of the policy's own
            return UnfitSettingsError(f"all: {type(exc).__name__}")


def same(value: object) -> object:
    return value
