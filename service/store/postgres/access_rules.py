"""Who may connect to the embedded server."""

import os
import pwd
from pathlib import Path

from service.store.postgres.process import Identity
from service.store.roles import APP_ROLE, OWNER_ROLE


def write_access_rules(cluster: Path, identity: Identity) -> None:
    """Allow connections only from the user who runs the service, by peer authentication.

    The folder belongs to the server's user, and we may be root: the files are created anew and never
    opened, so that a link in their place cannot redirect our writes.
    """
    name = pwd.getpwuid(os.geteuid()).pw_name.replace('"', '""')
    rules = {
        "pg_hba.conf": f"local all {OWNER_ROLE},{APP_ROLE} peer map=callgate\n",
        "pg_ident.conf": f'callgate "{name}" {OWNER_ROLE}\ncallgate "{name}" {APP_ROLE}\n',
    }
    for file, text in rules.items():
        path = cluster / file
        path.unlink(missing_ok=True)
        out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchown(out, identity.uid, identity.gid)
            os.write(out, text.encode())
        finally:
            os.close(out)
