"""Every setting, read from the environment, grouped by subject. A new setting is one field of its
group and one row in deploy/README.md; a test keeps the two equal."""

from service.settings.calls import DEFAULT_BLOCKED_MESSAGE
from service.settings.database import data_dir_of, default_data_dir
from service.settings.loading import SettingsError, is_given, load_settings, read_settings
from service.settings.policies import PolicySettings
from service.settings.settings import Settings
from service.settings.urls import is_local
from service.settings.webhook import WEBHOOK_PATH

__all__ = [
    "DEFAULT_BLOCKED_MESSAGE",
    "WEBHOOK_PATH",
    "PolicySettings",
    "Settings",
    "SettingsError",
    "data_dir_of",
    "default_data_dir",
    "is_given",
    "is_local",
    "load_settings",
    "read_settings",
]
