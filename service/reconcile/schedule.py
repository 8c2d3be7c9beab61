"""When to look at a number again after a failure. Pure: failures and a random number in."""

FIRST_SECONDS = 2.0
LONGEST_SECONDS = 300.0
PERMANENT_SECONDS = 900.0
"""For what only a person can mend (a refused key, a rejected change): a look now and then."""


def retry_after(
    failures: int, jitter: float, *, permanent: bool = False, asked: float | None = None
) -> float:
    """Seconds until the next attempt after `failures` in a row (1 or more).

    `jitter` is in 0…1 and spreads attempts over ±20 %, so that a thousand numbers that failed
    together do not come back together. `asked` is Vapi's own Retry-After, which is a minimum.
    """
    base = min(FIRST_SECONDS * 2.0 ** min(failures - 1, 20), LONGEST_SECONDS)
    if permanent:
        base = PERMANENT_SECONDS
    return max(base * (0.8 + 0.4 * jitter), asked or 0.0)
