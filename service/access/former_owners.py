"""Which organizations numbers and assistants belonged to within the last hours. No I/O."""

from collections.abc import Iterator
from uuid import UUID

from service.store.organizations.directory import DirectoryEntry
from service.vapi.bindings import assistant_of

KINDS = ("phone_numbers", "assistants")


class FormerOwners:
    """By Vapi's id of a number or an assistant: who lost it, or answered with it, lately."""

    def __init__(self) -> None:
        self.owners: dict[str, set[UUID]] = {}

    def get(self, vapi_id: str) -> set[UUID]:
        """The organizations that had it; an organization that has it now may be among them."""
        return self.owners.get(vapi_id, set())

    def put(self, entry: DirectoryEntry) -> None:
        """Add what the changes of an organization tell."""
        for vapi_id in ids_of(entry):
            self.owners.setdefault(vapi_id, set()).add(entry.organization.id)

    def remove(self, entry: DirectoryEntry) -> None:
        """Take back what `put` added."""
        for vapi_id in ids_of(entry):
            owners = self.owners.get(vapi_id)
            if owners is not None:
                owners.discard(entry.organization.id)
                if not owners:
                    del self.owners[vapi_id]


def ids_of(entry: DirectoryEntry) -> Iterator[str]:
    """The ids that the organization had before a change."""
    for change in entry.changes:
        if change.before is None or change.key is None or change.kind not in KINDS:
            continue
        yield change.key
        if change.kind == "phone_numbers" and (
            answering := assistant_of(change.before["answer_with"])
        ):
            yield answering
