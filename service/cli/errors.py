"""Errors that an operator can fix, in a sentence."""

from service.domain.errors import CallgateError
from service.serve.database import StartError
from service.settings import SettingsError
from service.store.failures import describe_away, is_unknown_parameter
from service.store.installation import WrongModeError
from service.store.pool import UNAVAILABLE
from service.store.pooling import PoolingError
from service.store.postgres.server import EmbeddedPostgresError
from service.store.schema import SchemaError

FIXABLE = (
    SettingsError,
    StartError,
    EmbeddedPostgresError,
    SchemaError,
    WrongModeError,
    PoolingError,
    CallgateError,
)


def describe(error: Exception) -> str | None:
    """The sentence to print; None for a fault of ours, which ends with a traceback."""
    if isinstance(error, FIXABLE):
        return str(error)
    if isinstance(error, UNAVAILABLE) or is_unknown_parameter(error):
        return describe_away(error)
    return None
