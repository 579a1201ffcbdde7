"""The command line: a file a command.

Each file loads what it needs when it runs: --help, completion and a wrong flag must be quick.
"""

from typing import Annotated

import typer

from server.cli import bench, convert, doctor, gc, jobs, key, serve, sign, upload, watch, webhooks
from server.cli.manual import manual

SEND = "Pictures"
OPERATE = "The service"


def _version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"safelight {version('safelight')}")
        raise typer.Exit


cli = typer.Typer(
    name="safelight",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
cli.command(epilog=upload.MANUAL, rich_help_panel=SEND)(upload.upload)
cli.command(epilog=watch.MANUAL, rich_help_panel=SEND)(watch.watch)
cli.command(epilog=convert.MANUAL, rich_help_panel=SEND)(convert.convert)
cli.command(epilog=sign.MANUAL, rich_help_panel=SEND)(sign.sign)
cli.command(epilog=serve.MANUAL, rich_help_panel=OPERATE)(serve.serve)
cli.command(epilog=doctor.MANUAL, rich_help_panel=OPERATE)(doctor.doctor)
cli.add_typer(jobs.cli, name="jobs", rich_help_panel=OPERATE)
cli.add_typer(webhooks.cli, name="webhooks", rich_help_panel=OPERATE)
cli.add_typer(key.cli, name="key", rich_help_panel=OPERATE)
cli.command(epilog=gc.MANUAL, rich_help_panel=OPERATE)(gc.gc)
cli.command(
    epilog=bench.MANUAL,
    rich_help_panel=OPERATE,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(bench.bench)


@cli.callback(
    epilog=manual(
        "safelight serve",
        "safelight upload photo.jpg --width 800 --format webp -o small",
        "safelight doctor",
        "safelight upload --help",
        "safelight --install-completion",
    )
)
def safelight(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", is_eager=True, help="Print the version.", callback=_version
        ),
    ] = False,
) -> None:
    """Safelight: send a picture, watch it develop, serve the result."""


def run() -> None:
    """Entry point of `safelight` and `python -m server`."""
    cli()
