"""`safelight jobs`: what needs an operator's hand, asked of a running server."""

import sys
from typing import Annotated, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import orjson
import typer
from rich.console import Console
from rich.table import Table

Url = Annotated[str, typer.Option(help="The server to ask.")]

_LOCAL = "http://127.0.0.1:8080"
_TIMEOUT_S = 30.0

cli = typer.Typer(help="Look after jobs of a running server.", no_args_is_help=True)


@cli.command()
def dead(url: Url = _LOCAL) -> None:
    """List the quarantined jobs: those on which workers died too often."""
    jobs = [job for job in _ask(url, "GET", "/jobs?status=failed")["jobs"] if job["quarantined"]]
    if not jobs:
        print("No job is in quarantine.")
        return
    table = Table("job", "name", "since", "attempts", "error", "attempts ended with")
    for job in jobs:
        ended_with = ", ".join(job["attemptHistory"])
        error = f"{job['error']['code']}: {job['error']['detail']}"
        attempts = str(job["attempts"])
        table.add_row(job["jobId"], job["name"], job["finishedAt"], attempts, error, ended_with)
    Console().print(table)


@cli.command()
def retry(job_ids: list[str], url: Url = _LOCAL) -> None:
    """Queue failed jobs again, with all their attempts before them."""
    for job_id in job_ids:
        job = _ask(url, "POST", f"/job/{job_id}/retry")
        print(f"{job_id}: {job['status']}")


def _ask(url: str, method: str, path: str) -> dict[str, Any]:
    request = Request(f"{url.rstrip('/')}{path}", method=method)
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as response:
            answer: dict[str, Any] = orjson.loads(response.read())
            return answer
    except HTTPError as error:
        problem = orjson.loads(error.read())
        sys.exit(f"safelight: {problem['title']}: {problem['detail']}")
    except URLError as error:
        sys.exit(f"safelight: no server answers at {url}: {error.reason}")
