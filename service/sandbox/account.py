"""The account's resources: numbers, assistants, squads, workflows, tools and campaigns.

These methods change them without validation, as another client of Vapi might have left them.
Validated changes come in over HTTP (`resources`).
"""

from pathlib import Path
from typing import Any
from uuid import uuid4

from service.sandbox.clock import Clock, to_iso
from service.sandbox.collection import Json, Shelf
from service.sandbox.state_file import StateFile


class World:
    """One organization's resources. With `state_path` they persist between runs."""

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
        """Load the saved state. False if there is none."""
        return self.state_file is not None and self.state_file.load()

    def save(self) -> None:
        """Save after every change; nothing is written before the start."""
        if self.saving and self.state_file is not None:
            self.state_file.save()

    def add_number(self, **fields: Any) -> Json:
        """Add a number without validation: legacy and unknown fields are allowed."""
        return self.numbers.put(self.stamped({"provider": "vapi", "status": "active"} | fields))

    def add_numbers(self, count: int, **fields: Any) -> list[str]:
        """Add many numbers at once; returns their ids, oldest first."""
        saving, self.saving = self.saving, False
        made = [
            self.add_number(number=f"+1555{index:07d}", name=f"Line {index}", **fields)["id"]
            for index in range(count)
        ]
        self.saving = saving
        self.save()
        return made

    def edit_number(self, phone_number_id: str, **fields: Any) -> Json:
        """Change a number without validation, as another client might; None clears a field.

        Raises `KeyError`.
        """
        return self.edit(self.numbers, phone_number_id, fields)

    def edit_assistant(self, assistant_id: str, **fields: Any) -> Json:
        """Change an assistant, by the rules of `edit_number`. Raises `KeyError`."""
        return self.edit(self.assistants, assistant_id, fields)

    def edit(self, shelf: Shelf, key: str, fields: Json) -> Json:
        old = shelf.records[key].data
        merged = {key: value for key, value in (old | fields).items() if value is not None}
        return shelf.put(merged | {"updatedAt": to_iso(self.clock.tick())})

    def add_assistant(self, **fields: Any) -> Json:
        return self.assistants.put(self.stamped({"name": "Assistant"} | fields))

    def add_squad(self, **fields: Any) -> Json:
        return self.squads.put(self.stamped({"members": []} | fields))

    def add_workflow(self, **fields: Any) -> Json:
        return self.workflows.put(self.stamped({"nodes": [], "edges": []} | fields))

    def add_tool(self, **fields: Any) -> Json:
        return self.tools.put(self.stamped({"type": "function"} | fields))

    def add_campaign(self, **fields: Any) -> Json:
        return self.campaigns.put(self.stamped({"name": "Campaign"} | fields))

    def stamped(self, fields: Json) -> Json:
        now = to_iso(self.clock.tick())
        return {
            "id": str(uuid4()),
            "orgId": self.org_id,
            "createdAt": now,
            "updatedAt": now,
        } | fields
