"""What is there: the organization's numbers, assistants, squads, workflows and tools, and putting
them there as somebody else would, unjudged. Judged changes come in over HTTP (`resources`)."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from service.sandbox.clock import Clock, to_iso
from service.sandbox.collection import Json, Shelf
from service.sandbox.state_file import StateFile


class World:
    """One organization's resources. With `state_path` they are kept from one run to the next."""

    def __init__(self, org_id: str, state_path: Path | None = None) -> None:
        self.org_id = org_id
        self.clock = Clock()
        self.numbers, self.assistants = Shelf(self.save), Shelf(self.save)
        self.squads, self.workflows = Shelf(self.save), Shelf(self.save)
        self.tools, self.campaigns = Shelf(self.save), Shelf(self.save)
        shelves = {
            "numbers": self.numbers,
            "assistants": self.assistants,
            "squads": self.squads,
            "workflows": self.workflows,
            "tools": self.tools,
            "campaigns": self.campaigns,
        }
        self.state_file = StateFile(state_path, shelves) if state_path else None
        self.saving = False

    def load(self) -> bool:
        """Read what was kept. False if there was nothing."""
        return self.state_file is not None and self.state_file.load()

    def save(self) -> None:
        """Called after every change; nothing is written before the start."""
        if self.saving and self.state_file is not None:
            self.state_file.save()

    def add_number(self, **fields: Any) -> Json:
        """Put a number there as it might be at Vapi, unjudged: old fields and odd ones too."""
        return self.numbers.put(self.planted({"provider": "vapi", "status": "active"} | fields))

    def add_numbers(self, count: int, **fields: Any) -> list[str]:
        """Many numbers at once; their ids, oldest first."""
        saving, self.saving = self.saving, False
        made = [
            self.add_number(number=f"+1555{index:07d}", name=f"Line {index}", **fields)["id"]
            for index in range(count)
        ]
        self.saving = saving
        self.save()
        return made

    def edit_number(self, phone_number_id: str, **fields: Any) -> Json:
        """Somebody changes a number by another way than ours: nothing is judged, None clears.

        Raises `KeyError`.
        """
        return self.edit(self.numbers, phone_number_id, fields)

    def edit_assistant(self, assistant_id: str, **fields: Any) -> Json:
        """Somebody changes an assistant, by the rules of `edit_number`. Raises `KeyError`."""
        return self.edit(self.assistants, assistant_id, fields)

    def edit(self, shelf: Shelf, key: str, fields: Json) -> Json:
        old = shelf.records[key].data
        merged = {key: value for key, value in (old | fields).items() if value is not None}
        return shelf.put(merged | {"updatedAt": to_iso(self.clock.tick())})

    def add_assistant(self, **fields: Any) -> Json:
        return self.assistants.put(self.planted({"name": "Assistant"} | fields))

    def add_squad(self, **fields: Any) -> Json:
        return self.squads.put(self.planted({"members": []} | fields))

    def add_workflow(self, **fields: Any) -> Json:
        return self.workflows.put(self.planted({"nodes": [], "edges": []} | fields))

    def add_tool(self, **fields: Any) -> Json:
        return self.tools.put(self.planted({"type": "function"} | fields))

    def add_campaign(self, **fields: Any) -> Json:
        return self.campaigns.put(self.planted({"name": "Campaign"} | fields))

    def planted(self, fields: Json) -> Json:
        now = to_iso(self.clock.tick())
        return {
            "id": str(uuid4()),
            "orgId": self.org_id,
            "createdAt": now,
            "updatedAt": now,
        } | fields
