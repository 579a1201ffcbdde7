"""`safelight upload`: pictures to a server, watched until they are done, results into a folder."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from server.cli.client.exits import MEANINGS
from server.cli.flags import LOCAL, KeyFile, Server, read_key, refuse
from server.cli.manual import manual
from server.cli.recipe import MAKE, Flags, Format, Height, Options, Quality, Width, recipe_of
from server.cli.suggest import presets

SENDING = "How to send"
BACK = "What comes back"

MANUAL = manual(
    "safelight upload photo.jpg --width 800 --format webp -o small",
    "safelight upload holiday --recursive --preset thumb -o thumbs",
    "safelight upload https://example.com/photo.jpg --options @recipe.json",
    "safelight upload *.jpg --private --json > sent.ndjson",
    "convert a.psd png:- | safelight upload - --name a.png --no-wait",
    asks=True,
    exit_codes=MEANINGS,
)


def upload(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES|FOLDERS|URLS|-",
            help="Pictures, ZIPs of pictures, folders with pictures, addresses that the server"
            " shall fetch, or - for standard input.",
        ),
    ],
    server: Server = LOCAL,
    key_file: KeyFile = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="A recipe that the server knows by name.",
            autocompletion=presets,
            rich_help_panel=MAKE,
        ),
    ] = None,
    width: Width = None,
    height: Height = None,
    format: Format = None,
    quality: Quality = None,
    options: Options = "{}",
    private: Annotated[
        bool,
        typer.Option(
            "--private", help="Only for this key, and signed addresses.", rich_help_panel=MAKE
        ),
    ] = False,
    expires_in: Annotated[
        int | None,
        typer.Option(min=1, metavar="SECONDS", help="Keep results so long.", rich_help_panel=MAKE),
    ] = None,
    callback_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Is told of each end by POST.", rich_help_panel=MAKE),
    ] = None,
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="Folders in folders, too.", rich_help_panel=SENDING),
    ] = False,
    name: Annotated[
        str, typer.Option(help="The name of standard input.", rich_help_panel=SENDING)
    ] = "picture",
    concurrency: Annotated[
        int,
        typer.Option(
            "--concurrency",
            "-c",
            min=1,
            max=64,
            help="Requests at a time.",
            rich_help_panel=SENDING,
        ),
    ] = 4,
    in_flight: Annotated[
        int,
        typer.Option(
            min=1,
            max=1000,
            help="Pictures that may be unfinished at the server; more wait here, so that there is"
            " room for others and memory stays flat.",
            rich_help_panel=SENDING,
        ),
    ] = 200,
    patience: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="For so long a server may take nothing: full (429), stopped, or out of reach.",
            rich_help_panel=SENDING,
        ),
    ] = 300.0,
    output: Annotated[
        Path | None,
        typer.Option(
            *("--output", "-o"),
            metavar="FOLDER",
            help="Download the results; names and folders are kept.",
            rich_help_panel=BACK,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that are there.", rich_help_panel=BACK)
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Follow each to its end.", rich_help_panel=BACK),
    ] = True,
    json: Annotated[
        bool,
        typer.Option("--json", help="A JSON object a line for each picture.", rich_help_panel=BACK),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Tell of failures only.", rich_help_panel=BACK)
    ] = False,
) -> None:
    """Send pictures to a server and follow them until they are done.

    Files of a folder are sent together as batches; files from 8 MiB on go resumably. What breaks is
    sent again without being done twice. When standard output is no terminal each picture is a line.
    """
    if preset is not None and (options != "{}" or Flags(width, height, format, quality).is_any):
        refuse("expected --preset, or --options and its flags; got both")
    if output is not None and not wait:
        refuse("--output waits for the results; it cannot go with --no-wait")
    fields = {"preset": preset or ""}
    if preset is None:
        fields = {"options": _json(recipe_of(options, Flags(width, height, format, quality)))}
    fields |= {"private": "true"} if private else {}
    fields |= {} if expires_in is None else {"expiresIn": str(expires_in)}
    fields |= {} if callback_url is None else {"callbackUrl": callback_url}

    from server.cli.sending.run import Run, Wanted, run

    wanted = Wanted(
        arguments=tuple(what),
        stdin_name=name,
        recursive=recursive,
        fields=fields,
        concurrency=concurrency,
        in_flight=in_flight,
        patience_s=patience,
        output=output,
        force=force,
        waits=wait,
    )
    sys.exit(run(Run(server, read_key(key_file), as_json=json, is_quiet=quiet), wanted))


def _json(recipe: object) -> str:
    import orjson

    return orjson.dumps(recipe).decode()
