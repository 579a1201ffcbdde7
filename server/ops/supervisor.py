"""Tells the supervisor that started us how we stand, where it asks for that (systemd, Type=notify).

https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import os
import socket

import structlog

log = structlog.get_logger(__name__)

READY = "READY=1"
STOPPING = "STOPPING=1"


def tell(state: str) -> None:
    """Send one state; nothing happens where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # "@" stands for the NUL byte in front of a name that is in no folder (unix(7)).
    name = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            sender.sendto(state.encode(), name)
    except OSError as error:  # it would only wait, or start us again; work goes on until then
        log.warning("the supervisor could not be told", state=state, error=str(error))
