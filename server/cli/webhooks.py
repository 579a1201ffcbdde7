"""`safelight webhooks`: what was told to whom, sending it again, and the secrets that sign it."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

import typer

from server.cli.flags import LOCAL, Config, DataDir, KeyFile, Server
from server.cli.manual import manual

if TYPE_CHECKING:  # loaded when it is needed
    from server.live.webhooks.secrets import Secrets

State = Annotated[
    str | None, typer.Option(help="waiting, delivered, gone (it said 410) or given_up.")
]
Endpoint = Annotated[str | None, typer.Option(help="Only to this one of the configuration.")]
Job = Annotated[str | None, typer.Option(help="Only of this job or batch.")]

_PAGE = 500
_LOOK_EVERY_S = 0.2

cli = typer.Typer(help="Look after the webhooks of a running server.", no_args_is_help=True)


@cli.command(
    "list",
    epilog=manual(
        "safelight webhooks list --state given_up",
        "safelight webhooks list --endpoint shop --limit 10",
        asks=True,
    ),
)
def list_deliveries(
    state: State = None,
    endpoint: Endpoint = None,
    job: Job = None,
    limit: Annotated[int, typer.Option(min=1, max=_PAGE, help="At most so many.")] = 50,
    url: Server = LOCAL,
    key_file: KeyFile = None,
) -> None:
    """List webhooks, the newest first."""
    from rich.console import Console
    from rich.table import Table

    from server.cli.asking import ask

    answer = ask(url, "GET", _path(_query(state, endpoint, job) | {"limit": limit}), key_file)
    table = Table("id", "event", "to", "state", "attempts", "last answer", "next attempt")
    for one in answer["deliveries"]:
        last = one["lastAttempt"] or {}
        said = last.get("error") or str(last.get("status") or "")
        to = one["endpoint"] or one["url"]
        state_now = f"{one['state']} ({one['why']})" if one["why"] else one["state"]
        table.add_row(
            *(one["id"], one["type"], to, state_now, str(one["attempts"])),
            *(said, one["nextAttemptAt"] or ""),
        )
    Console().print(table)
    if answer["nextCursor"]:
        print("There are more; narrow it, or raise --limit.")


@cli.command(
    epilog=manual(
        "safelight webhooks replay --state given_up", "safelight webhooks replay msg_1", asks=True
    )
)
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Of single webhooks.")] = None,
    state: State = None,
    endpoint: Endpoint = None,
    job: Job = None,
    url: Server = LOCAL,
    key_file: KeyFile = None,
) -> None:
    """Send webhooks again: those named, or all that fit, e.g. --state given_up."""
    from server.cli.asking import ask

    query = _query(state, endpoint, job)
    if bool(ids) == bool(query):
        sys.exit("safelight: expected ids, or --state, --endpoint or --job; not both")
    for delivery_id in ids or _all(query, url, key_file):
        path = f"/webhooks/deliveries/{quote(delivery_id, safe='')}/replay"
        print(f"{delivery_id}: {ask(url, 'POST', path, key_file)['state']}")


@cli.command(epilog=manual("safelight webhooks endpoints", asks=True))
def endpoints(url: Server = LOCAL, key_file: KeyFile = None) -> None:
    """List the receivers of the configuration, and the counts of all webhooks."""
    from rich.console import Console
    from rich.table import Table

    from server.cli.asking import ask

    answer = ask(url, "GET", "/webhooks/endpoints", key_file)
    table = Table("endpoint", "address", "events", "waiting", "stopped since")
    for one in answer["endpoints"]:
        events = ", ".join(one["events"])
        stopped = one["stoppedAt"] or ""
        table.add_row(one["name"], one["url"], events, str(one["waiting"]), stopped)
    Console().print(table)
    counts = ", ".join(f"{name} {number}" for name, number in answer["counts"].items())
    print(f"On their way: {answer['waiting']}. Since the beginning: {counts}.")


@cli.command(epilog=manual("safelight webhooks enable shop", asks=True))
def enable(name: str, url: Server = LOCAL, key_file: KeyFile = None) -> None:
    """Send to an endpoint again that has said 410 Gone."""
    from server.cli.asking import ask

    path = f"/webhooks/endpoints/{quote(name, safe='')}/enable"
    was_stopped = ask(url, "POST", path, key_file)["wasStopped"]
    print(f"{name}: enabled" if was_stopped else f"{name}: was not stopped")


@cli.command(epilog=manual("safelight webhooks ping shop", asks=True))
def ping(
    name: str,
    wait_s: Annotated[float, typer.Option(min=0, help="For the first attempt to end.")] = 20.0,
    url: Server = LOCAL,
    key_file: KeyFile = None,
) -> None:
    """Send an endpoint a webhook that tells of nothing, and tell what it answers."""
    from server.cli.asking import ask

    sent = ask(url, "POST", f"/webhooks/endpoints/{quote(name, safe='')}/ping", key_file)
    deadline = time.monotonic() + wait_s
    while True:
        delivery = ask(url, "GET", f"/webhooks/deliveries/{sent['id']}", key_file)
        if delivery["lastAttempt"] or time.monotonic() >= deadline:
            break
        time.sleep(_LOOK_EVERY_S)
    last = delivery["lastAttempt"]
    if last is None:
        sys.exit(f"safelight: {sent['id']}: no attempt has ended within {wait_s:g} s")
    if delivery["state"] != "delivered":
        sys.exit(f"safelight: {sent['id']}: {last['error']}")
    print(f"{sent['id']}: delivered, {last['status']} after {last['takenMs']} ms")


@cli.command(epilog=manual("safelight webhooks secret", "safelight webhooks secret --new"))
def secret(
    client: Annotated[
        str | None, typer.Option(help="By which the callbacks of this API key are signed.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="By which an endpoint's are.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Make one for config.toml instead.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Print the secrets that receivers need, newest first; without options the service's own."""
    from server.live.webhooks.secrets import new_secret

    if new:
        print(new_secret())
        return
    secrets = _secrets(config, data_dir)
    if endpoint is not None:
        found = secrets.of_endpoint(endpoint)
    else:
        found = secrets.own if client is None else secrets.of_client(client)
    print("\n".join(found))


def _secrets(config: Path | None, data_dir: Path | None) -> "Secrets":
    from server.cli.settings import settings_or_end
    from server.live.webhooks.secrets import Secrets, secrets_file

    settings = settings_or_end(config, data_dir)
    try:
        file = secrets_file(settings.server.data_dir.resolve())
        if not settings.webhooks.secrets and not file.exists():
            sys.exit(f"safelight: expected secrets in {file}; start the service once")
        return Secrets(settings.webhooks, file=file, has_api_keys=bool(settings.auth.keys))
    except OSError as error:
        sys.exit(f"safelight: {error}")


def _all(query: dict[str, Any], url: str, key_file: Path | None) -> list[str]:
    """All ids first: what is sent again changes its state, and with it the pages."""
    from server.cli.asking import ask

    ids: list[str] = []
    cursor: str | None = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        page = ask(url, "GET", _path(query | {"limit": _PAGE} | more), key_file)
        ids += [one["id"] for one in page["deliveries"]]
        cursor = page["nextCursor"]
        if cursor is None:
            return ids


def _query(state: str | None, endpoint: str | None, job: str | None) -> dict[str, Any]:
    given = {"state": state, "endpoint": endpoint, "job": job}
    return {name: value for name, value in given.items() if value}


def _path(query: dict[str, Any]) -> str:
    return f"/webhooks/deliveries?{urlencode(query)}"
