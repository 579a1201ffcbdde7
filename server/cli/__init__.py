"""The command line: a file a command."""

import typer

from server.cli import jobs, key, webhooks
from server.cli.convert import convert
from server.cli.gc import gc
from server.cli.serve import serve
from server.cli.sign import sign

cli = typer.Typer(
    name="safelight",
    help="Safelight: send a picture, watch it develop, serve the result.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
cli.command()(serve)
cli.command()(convert)
cli.command()(gc)
cli.command()(sign)
cli.add_typer(key.cli, name="key")
cli.add_typer(jobs.cli, name="jobs")
cli.add_typer(webhooks.cli, name="webhooks")


def run() -> None:
    """Entry point of `safelight` and `python -m server`."""
    cli()
