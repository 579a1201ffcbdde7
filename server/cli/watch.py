"""`safelight watch`: jobs and batches until they end, or the service as a whole."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from server.cli.client.exits import MEANINGS
from server.cli.flags import LOCAL, Json, KeyFile, Server, read_key, refuse
from server.cli.manual import manual

MANUAL = manual(
    "safelight watch batch-ykprxphprhfmvrp4snidi2cr -o results",
    "safelight watch m6226lbrqmfnh3f5ldnnrvqm a7yejwfodm3sg4m7e3vobewe --json",
    "safelight watch --system",
    "safelight watch --system --once --json | jq .queue",
    asks=True,
    exit_codes=MEANINGS,
)


def watch(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID…", help="Of jobs or batches.")
    ] = None,
    system: Annotated[
        bool,
        typer.Option("--system", help="Queue, lanes, rates and errors; with keys it needs admin."),
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="With --system: look once.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Download the results."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    patience: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="The server may be away for so long.")
    ] = 300.0,
    json: Json = False,
    server: Server = LOCAL,
    key_file: KeyFile = None,
) -> None:
    """Follow jobs and batches until they end; or the whole service, like top.

    The connection comes back by itself. Ctrl-C ends the watching and nothing else.
    """
    if bool(ids) == system:
        refuse("expected ids of jobs or batches, or --system")
    if not system and once:
        refuse("--once goes with --system")
    if system and output is not None:
        refuse("--output goes with ids")
    key = read_key(key_file)
    if system:
        from server.cli.following.system import SystemWatch

        look = SystemWatch(server, key, patience_s=patience, once=once, as_json=json)
        sys.exit(look.run())

    from server.cli.following.jobs import Following, follow
    from server.cli.following.show import FollowShow

    wanted = Following(server, key, tuple(dict.fromkeys(ids or ())), output, force, patience)
    sys.exit(follow(wanted, FollowShow(as_json=json)))
