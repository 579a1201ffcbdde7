"""The command line: a file a command."""

import typer

from server.cli import jobs
from server.cli.convert import convert
from server.cli.serve import serve

cli = typer.Typer(
    name="safelight",
    help="Safelight: send a picture, watch it develop, serve the result.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
cli.command()(serve)
cli.command()(convert)
cli.add_typer(jobs.cli, name="jobs")


def run() -> None:
    """Entry point of `safelight` and `python -m server`."""
    cli()
