"""What a supervisor that asks for it is told, over the socket that systemd would give."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.ops import supervisor
from tests.conftest import StartServer

HEARD_WITHIN_S = 60.0


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket, and its address as NOTIFY_SOCKET has it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@safelight-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0"))
        heard.settimeout(HEARD_WITHIN_S)
        yield heard, name


def test_a_state_is_sent_to_either_kind_of_address(
    listener: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, name = listener
    monkeypatch.setenv("NOTIFY_SOCKET", name)

    supervisor.tell(supervisor.READY)

    assert heard.recv(64) == b"READY=1"


def test_a_supervisor_that_is_gone_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))

    supervisor.tell(supervisor.READY)


def test_a_server_says_when_it_is_ready_and_when_it_stops(
    start_server: StartServer, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(HEARD_WITHIN_S)
        server = start_server(NOTIFY_SOCKET=str(tmp_path / "notify"))
        ready = heard.recv(64)
        server.stop()
        stopping = heard.recv(64)

    assert (ready, stopping) == (b"READY=1", b"STOPPING=1")
