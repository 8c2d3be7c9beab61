"""Checks what a policy answered: only what can be stored, compared and shown passes. Pure."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeGuard

from policies.contract import Effect, Verdict
from policies.host.diversions import fit_diversion
from policies.host.isolation import PolicyFailure, raised
from policies.host.spoken import fit_spoken
from policies.limits import CallLimit

REASON = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,99}")
KNOWN_REASONS: set[str] = set()
"""Reasons that were found fit: policies give the same few again and again."""
MOST_KNOWN = 1000
MOST_CHARACTERS = 200
LAST_YEAR = 2999
"""An `until` beyond it stands for "never": nothing is to be asked again then."""
MOST_LIMITS = 8
LARGEST_CAPACITY = 1_000_000


def checked(answer: object) -> Verdict:
    """The answer as a verdict that can be stored; raises `PolicyFailure` for anything else.

    Only the contract's own types pass: a subclass could answer differently each time it is read.
    """
    try:
        if type(answer) is not Verdict or type(answer.effect) is not Effect:
            raise PolicyFailure("no_verdict")
        if answer.until is not None or answer.note is not None or answer.warning is not None:
            answer = check_extras(answer)
        if (
            answer.max_duration_seconds is not None
            or answer.message is not None
            or answer.divert_to is not None
        ):
            answer = check_terms(answer)
        if answer.limits != ():
            answer = replace(answer, limits=check_limits(answer))
        reason = answer.reason
        if reason is None and answer.effect is Effect.ABSTAIN:
            return answer
        if type(reason) is str and reason in KNOWN_REASONS:
            return answer
        if not is_text(reason) or not REASON.fullmatch(reason):
            raise PolicyFailure("bad_reason")
        if len(KNOWN_REASONS) < MOST_KNOWN:
            KNOWN_REASONS.add(str.__str__(reason))
        return answer if type(reason) is str else replace(answer, reason=str.__str__(reason))
    except PolicyFailure:
        raise
    except BaseException as exc:  # an answer that cannot even be inspected
        raise raised(exc) from exc


def check_extras(verdict: Verdict) -> Verdict:
    """The verdict with `until` in UTC, or without one that stands for "never".

    Raises `PolicyFailure` for unfit texts and instants.
    """
    for text in (verdict.note, verdict.warning):
        if text is not None and not is_line(text):
            raise PolicyFailure("bad_text")
    until = verdict.until
    if until is None:
        return verdict
    if type(until) is not datetime or until.tzinfo is None:
        raise PolicyFailure("bad_until")
    # Checked first: in UTC the last instants of another zone do not exist.
    fit = None if until.year > LAST_YEAR else until.astimezone(UTC)
    return replace(verdict, until=fit)


def check_terms(verdict: Verdict) -> Verdict:
    """The verdict with a message on one line and a copy of its diversion. Raises `PolicyFailure`."""
    message, divert_to, most = verdict.message, verdict.divert_to, verdict.max_duration_seconds
    if message is not None:
        message = fit_spoken(message)
        if message is None:
            raise PolicyFailure("bad_message")
    if divert_to is not None:
        divert_to = fit_diversion(divert_to)
        if divert_to is None:
            raise PolicyFailure("bad_divert_to")
    if most is not None and (type(most) not in (int, float) or not 0 <= most < float("inf")):
        raise PolicyFailure("bad_max_duration")
    return replace(verdict, message=message, divert_to=divert_to)


def check_limits(verdict: Verdict) -> tuple[CallLimit, ...]:
    """The limits in objects of the host's own. Raises `PolicyFailure` for unfit ones, for two of one
    name, and for those of a denial."""
    given = verdict.limits
    if type(given) is not tuple or len(given) > MOST_LIMITS or verdict.effect is Effect.DENY:
        raise PolicyFailure("bad_limits")
    if not all(is_limit(one) for one in given):
        raise PolicyFailure("bad_limits")
    limits = tuple(CallLimit(one.name, one.capacity, one.reason) for one in given)
    if len({one.name for one in limits}) < len(limits):
        raise PolicyFailure("bad_limits")
    return limits


def is_limit(given: object) -> TypeGuard[CallLimit]:
    """Whether it is a limit with slugs and a whole number from 0 up."""
    if type(given) is not CallLimit or type(given.capacity) is not int:
        return False
    slugs = given.name, given.reason
    if not all(type(slug) is str and REASON.fullmatch(slug) for slug in slugs):
        return False
    return 0 <= given.capacity <= LARGEST_CAPACITY


def is_line(text: object) -> bool:
    """Whether it is one short line of printable text."""
    return type(text) is str and text.isprintable() and len(text) <= MOST_CHARACTERS


def is_text(given: object) -> TypeGuard[str]:
    """Whether it is a text; asked of its type, since an object may claim any class, or raise."""
    return issubclass(type(given), str)
