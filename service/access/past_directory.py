"""The access directory as it was: whose number and assistant, with the facts of that instant.

No I/O and no state: every replica that has read the same changes gives the same answer.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from service.access.directory import AccessDirectory, Registration
from service.store.organizations.directory import DirectoryEntry
from service.store.organizations.past_entries import find_entry_at
from service.vapi.bindings import assistant_of


def find_registration_at(
    directory: AccessDirectory,
    phone_number_ids: Iterable[str],
    assistant_ids: Iterable[str],
    at: datetime,
) -> Registration | None:
    """What `AccessDirectory.find` gave at an instant; None: nothing was registered by then."""
    for number_id in phone_number_ids:
        current = directory.numbers.get(number_id)
        owners = directory.former.get(number_id) | ({current.organization_id} if current else set())
        for entry in entries_at(directory, owners, at):
            for number in entry.phone_numbers:
                if number.vapi_phone_number_id == number_id:
                    return Registration(entry.organization, number)
    for assistant_id in assistant_ids:
        if (owner := find_owner_of_assistant(directory, assistant_id, at)) is not None:
            return Registration(owner.organization, None)
    return None


def find_owner_of_assistant(
    directory: AccessDirectory, assistant_id: str, at: datetime
) -> DirectoryEntry | None:
    """The organization of an assistant at an instant, by the rule of `owner_of_assistant`."""
    owners = directory.former.get(assistant_id) | directory.answering.get(assistant_id, set())
    if (registered := directory.assistants.get(assistant_id)) is not None:
        owners = owners | {registered}
    entries = list(entries_at(directory, owners, at))
    for entry in entries:
        if assistant_id in entry.organization.assistant_ids:
            return entry
    answering = [
        entry
        for entry in entries
        if any(assistant_of(number.answer_with) == assistant_id for number in entry.phone_numbers)
    ]
    return answering[0] if len(answering) == 1 else None


def entries_at(
    directory: AccessDirectory, owners: Iterable[UUID], at: datetime
) -> Iterator[DirectoryEntry]:
    """The entries of these organizations at an instant, of those that existed."""
    for owner in sorted(owners):
        entry = directory.entries.get(owner)
        past = None if entry is None else find_entry_at(entry, at)
        if past is not None:
            yield past
