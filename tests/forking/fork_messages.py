"""Messages over a socket, each with open files."""

import json
import socket
from collections.abc import Sequence
from typing import Any

SIZE = 8  # bytes of a message's length


def send(connection: socket.socket, message: Any, files: Sequence[int] = ()) -> None:
    """Send a message, and the open files with these numbers, at most three."""
    content = json.dumps(message).encode()
    socket.send_fds(connection, [len(content).to_bytes(SIZE, "big")], files)
    connection.sendall(content)


def receive(connection: socket.socket) -> tuple[Any, list[int]]:
    """Wait for a message and its files; the message is None where the other side has ended."""
    head, files, _, _ = socket.recv_fds(connection, SIZE, 3)
    size, content = int.from_bytes(head, "big"), b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            return None, files
        content += part
    return json.loads(content) if head else None, files
