"""Serving: the process, its workers, and one replica. No other room imports from here.

`replica` puts the rooms together and changes only when a room is added. A new part goes where it
belongs:

- A part of a room: built in the room's `build.py`, as a field of what that returns.
- A use case: a property of `service.admin.use_cases.UseCases`; its routes or pages are a line in
  `service/web/api/build.py` or `service/web/panel/build.py`.
- A background loop: returned by the part's `background()` and listed in `background()` of the room.
- Something to close: in `close()` of the room. Rooms close in reverse, after the loops have stopped.
- A part that every room and command needs (a client, a session): `service.core`.
- A problem to report: a condition, read in `conditions` here or in `service.admin.conditions`.
"""
