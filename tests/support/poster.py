"""A client that posts one body again and again, in a process of its own.

    python -m tests.support.poster PORT BODY SECRET CONNECTIONS

For each number that comes as a line it posts so often over each connection and answers `done`.
"""

import socket
import sys
from pathlib import Path

LARGEST = 64 * 1024


def receive(connection: socket.socket) -> None:
    """Read one reply; raises unless it is a 200."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(LARGEST)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), data
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(LARGEST)


def main() -> None:
    port, path, secret, count = sys.argv[1:]
    body = Path(path).read_bytes()
    head = (
        f"POST /api/vapi/webhook HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n"
        f"X-Vapi-Secret: {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    connections = [socket.create_connection(("127.0.0.1", int(port))) for _ in range(int(count))]
    for line in sys.stdin:
        for _ in range(int(line)):
            for connection in connections:
                connection.sendall(request)
            for connection in connections:
                receive(connection)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
