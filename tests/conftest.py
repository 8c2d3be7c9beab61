"""What every test can use: the fixtures of `tests.support`, registered once."""

pytest_plugins = (
    "tests.support.database",
    "tests.support.service",
    "tests.support.vapi",
    "tests.support.reconciling",
    "tests.support.lives",
    "tests.support.browser",
)
