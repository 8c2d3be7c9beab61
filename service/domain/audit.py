"""The audit: its entries, and the one table of everything that can be audited. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from policies.host.ids import find_uuid
from service.domain.people import Role
from service.domain.wording import audit_phrases as phrases
from service.domain.wording.audit_phrases import Phrase

ObjectKind = Literal[
    "organization",
    "phone_number",
    "unknown_number",
    "import",
    "reconciliation",
    "caller",
    "admin",
    "session",
    "token",
    "usage",
    "policy",
]
OBJECT_KINDS: tuple[ObjectKind, ...] = get_args(ObjectKind)

Reversal = Literal[
    "restore_organization",
    "restore_phone_number",
    "restore_plan",
    "restore_trial",
    "restore_override",
    "resume_phone_number",
    "pause_phone_number",
    "resume_reconciling",
    "pause_reconciling",
    "unignore_number",
    "ignore_number",
    "undo_import",
    "restore_policy",
    "restore_organization_policy",
]
"""The use case that undoes a change."""

RESUMES: frozenset[Reversal] = frozenset({"resume_phone_number", "resume_reconciling"})

ORGANIZATION_PAGE = "organizations/{object}"
POLICY_PAGE = "policies/{object}"
NUMBER_PAGE = "numbers/{object}"
UNKNOWN_NUMBERS_PAGE = "unknown-numbers"
IMPORT_PAGE = "{noun}/import/{object}"
IMPORT_NOUNS: Mapping[str, str] = {"phone_numbers": "numbers", "organizations": "organizations"}
"""Where the panel has the imports of a kind; an entry without a kind is one of numbers."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. `before` is None for a new object, `after` for a removed one.

    `undoes` is the entry that this one reversed, `undone_by` the last entry that reversed this one.
    `part_of` is the entry of the import whose row made this change, or of its undo.
    """

    id: int
    at: datetime
    actor: str
    source: str
    action: str
    object_type: str
    object_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    undoes: int | None = None
    undone_by: int | None = None
    part_of: int | None = None


@dataclass(frozen=True, slots=True)
class AuditAction:
    """What can be audited. `phrase` is a template with {name}, or a function for longer phrases.

    `undo` is the use case that reverses it (None: none does), which takes at least `role`. `page` is
    the page of the object, below the panel's root.
    """

    slug: str
    kind: ObjectKind
    phrase: str | Phrase
    page: str | None = None
    undo: Reversal | None = None
    role: Role = "admin"

    def can_undo(self, entry: AuditEntry) -> bool:
        """Whether an entry holds all that its reversal needs."""
        if self.undo is None:
            return False
        if self.undo.startswith("restore_"):
            return entry.before is not None and entry.after is not None
        # An entry of a pause that replaced another one does not hold the replaced one's end.
        return self.undo not in RESUMES or entry.before is None


ACTIONS: Mapping[str, AuditAction] = {
    action.slug: action
    for action in (
        AuditAction(
            "organization.created",
            "organization",
            "added the organization {name}",
            ORGANIZATION_PAGE,
        ),
        AuditAction(
            "organization.changed",
            "organization",
            phrases.describe_fields,
            ORGANIZATION_PAGE,
            undo="restore_organization",
        ),
        AuditAction("organization.deleted", "organization", "removed the organization {name}"),
        AuditAction(
            "relay.secret_created",
            "organization",
            "created a signing secret for the relay to {name}",
            ORGANIZATION_PAGE,
        ),
        AuditAction(
            "relay.resumed", "organization", "resumed the relay to {name}", ORGANIZATION_PAGE
        ),
        AuditAction(
            "relay.replayed",
            "organization",
            "sent kept messages to {name} again",
            ORGANIZATION_PAGE,
        ),
        AuditAction(
            "plan.put",
            "organization",
            phrases.describe_plan,
            ORGANIZATION_PAGE,
            undo="restore_plan",
        ),
        AuditAction(
            "plan.deleted",
            "organization",
            phrases.describe_removal("plan"),
            ORGANIZATION_PAGE,
            undo="restore_plan",
        ),
        AuditAction(
            "trial.put",
            "organization",
            phrases.describe_trial,
            ORGANIZATION_PAGE,
            undo="restore_trial",
        ),
        AuditAction(
            "trial.deleted",
            "organization",
            phrases.describe_removal("trial"),
            ORGANIZATION_PAGE,
            undo="restore_trial",
        ),
        AuditAction(
            "override.put",
            "organization",
            phrases.describe_override,
            ORGANIZATION_PAGE,
            undo="restore_override",
            role="support",
        ),
        AuditAction(
            "override.deleted",
            "organization",
            phrases.describe_removal("override"),
            ORGANIZATION_PAGE,
            undo="restore_override",
            role="support",
        ),
        AuditAction(
            "organization_policy.changed",
            "organization",
            phrases.describe_own_policy,
            ORGANIZATION_PAGE,
            undo="restore_organization_policy",
        ),
        AuditAction(
            "policy.changed", "policy", phrases.describe_policy, POLICY_PAGE, undo="restore_policy"
        ),
        AuditAction("phone_number.created", "phone_number", "added the number {name}", NUMBER_PAGE),
        AuditAction(
            "phone_number.changed",
            "phone_number",
            phrases.describe_fields,
            NUMBER_PAGE,
            undo="restore_phone_number",
        ),
        AuditAction(
            "phone_number.relinked",
            "phone_number",
            "linked the number {name} to its new id at Vapi",
            NUMBER_PAGE,
        ),
        AuditAction("phone_number.released", "phone_number", "removed the number {name}"),
        AuditAction(
            "phone_number.rolled_back",
            "phone_number",
            "rolled the webhook of {name} back",
            NUMBER_PAGE,
        ),
        AuditAction(
            "phone_number.paused",
            "phone_number",
            phrases.describe_pause,
            NUMBER_PAGE,
            undo="resume_phone_number",
        ),
        AuditAction(
            "phone_number.resumed",
            "phone_number",
            "resumed {name}",
            NUMBER_PAGE,
            undo="pause_phone_number",
        ),
        AuditAction(
            "unknown_number.ignored",
            "unknown_number",
            "ignored the unknown number {name}",
            UNKNOWN_NUMBERS_PAGE,
            undo="unignore_number",
        ),
        AuditAction(
            "unknown_number.heeded",
            "unknown_number",
            "stopped ignoring the unknown number {name}",
            UNKNOWN_NUMBERS_PAGE,
            undo="ignore_number",
        ),
        AuditAction("import.created", "import", phrases.describe_upload, IMPORT_PAGE),
        AuditAction(
            "import.applied",
            "import",
            phrases.describe_import,
            IMPORT_PAGE,
            undo="undo_import",
        ),
        AuditAction("import.undone", "import", "took back the import of {name}", IMPORT_PAGE),
        AuditAction("import.canceled", "import", "canceled the import of {name}", IMPORT_PAGE),
        AuditAction("reconcile.ordered", "reconciliation", "started a repair of all numbers"),
        AuditAction(
            "reconcile.paused",
            "reconciliation",
            phrases.describe_pause_of_all,
            undo="resume_reconciling",
        ),
        AuditAction(
            "reconcile.resumed",
            "reconciliation",
            "resumed all repairs",
            undo="pause_reconciling",
        ),
        AuditAction("caller.forgotten", "caller", phrases.describe_forgotten_caller),
        AuditAction("calls.expired", "caller", phrases.describe_expired_calls),
        AuditAction("admin.created", "admin", "added the admin {name}"),
        AuditAction("admin.disabled", "admin", "disabled the admin {name}"),
        AuditAction("admin.enabled", "admin", "enabled the admin {name}"),
        AuditAction("admin.role_changed", "admin", phrases.describe_role),
        AuditAction("admin.password_changed", "admin", "changed the password of {name}"),
        AuditAction("admin.sessions_revoked", "admin", "ended all sessions of {name}"),
        AuditAction("session.started", "session", phrases.describe_sign_in),
        AuditAction("session.ended", "session", "signed out"),
        AuditAction("session.revoked", "session", phrases.describe_revoked_session),
        AuditAction("token.created", "token", "created the API token {name}"),
        AuditAction("token.revoked", "token", "revoked the API token {name}"),
        AuditAction("usage.rebuilt", "usage", "summed up the usage of all organizations again"),
    )
}


def can_undo(entry: AuditEntry) -> bool:
    """Whether a use case can reverse the change that an entry records."""
    action = ACTIONS.get(entry.action)
    return action is not None and action.can_undo(entry)


def page_of(entry: AuditEntry) -> str | None:
    """The page of an entry's object, below the panel's root; None: it has none (any more)."""
    action = ACTIONS.get(entry.action)
    if action is None or action.page is None:
        return None
    if action.kind == "import" and find_uuid(entry.object_id) is None:
        return None  # of the command line, which keeps no plan
    return action.page.format(object=entry.object_id, noun=import_noun(entry))


def import_noun(entry: AuditEntry) -> str:
    """Where the panel has the import of an entry."""
    values = {**(entry.before or {}), **(entry.after or {})}
    return IMPORT_NOUNS.get(str(values.get("kind")), "numbers")
