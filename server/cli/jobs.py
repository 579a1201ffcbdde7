"""`safelight jobs`: what an operator asks of a running server, and does to its jobs."""

import shutil
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from server.cli.flags import LOCAL, KeyFile, Server
from server.cli.manual import manual
from server.cli.suggest import states

Status = Annotated[
    list[str] | None,
    typer.Option(help="completed, failed or cancelled; may be repeated.", autocompletion=states),
]
Batch = Annotated[str | None, typer.Option(help="Jobs that were sent together.")]
Client = Annotated[str | None, typer.Option(help="Who sent them: a key's name or an address.")]
ErrorCode = Annotated[str | None, typer.Option(help="Why they failed, e.g. worker_crashed.")]
From = Annotated[str | None, typer.Option("--from", help="Sent since, e.g. 2026-11-30T12:00Z.")]
To = Annotated[str | None, typer.Option(help="Sent before.")]

_KINDS = ("csv", "ndjson")

cli = typer.Typer(help="Look after jobs of a running server.", no_args_is_help=True)


@cli.command(
    "list",
    epilog=manual(
        "safelight jobs list --status failed --limit 20",
        "safelight jobs list --client website --from 2026-11-30",
        asks=True,
    ),
)
def list_jobs(
    status: Status = None,
    batch: Batch = None,
    client: Client = None,
    error_code: ErrorCode = None,
    since: From = None,
    to: To = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    url: Server = LOCAL,
    key_file: KeyFile = None,
) -> None:
    """List jobs that have ended, the newest first."""
    from rich.console import Console
    from rich.table import Table

    from server.cli.asking import ask

    query = _query(status, batch, client, error_code, since, to) | {"limit": str(limit)}
    answer = ask(url, "GET", f"/jobs?{urlencode(query, doseq=True)}", key_file)
    table = Table("job", "name", "sent", "status", "error", "took, ms", "bytes")
    for job in answer["jobs"]:
        error = job["error"]["code"] if job["error"] else ""
        numbers = [str(job.get(name) or "") for name in ("takenMs", "bytesOut")]
        table.add_row(job["jobId"], job["name"], job["createdAt"], job["status"], error, *numbers)
    Console().print(table)
    if answer["nextCursor"]:
        print("There are more; narrow it, or use `safelight jobs export`.")


@cli.command(
    epilog=manual(
        "safelight jobs export --from 2026-11-01 --out jobs.csv",
        "safelight jobs export --format ndjson | jq .bytesOut",
        asks=True,
    )
)
def export(
    status: Status = None,
    batch: Batch = None,
    client: Client = None,
    error_code: ErrorCode = None,
    since: From = None,
    to: To = None,
    format: Annotated[str, typer.Option(help="csv or ndjson.")] = "csv",
    out: Annotated[Path | None, typer.Option(help="File to write; else standard output.")] = None,
    url: Server = LOCAL,
    key_file: KeyFile = None,
) -> None:
    """Write all jobs that have ended and fit, as CSV or a JSON object a line."""
    from server.cli.asking import open_answer

    if format not in _KINDS:
        sys.exit(f"safelight: --format: expected {' or '.join(_KINDS)}, got {format!r}")
    query = urlencode(_query(status, batch, client, error_code, since, to), doseq=True)
    with open_answer(url, "GET", f"/jobs.{format}?{query}", key_file) as response:
        if out is None:
            shutil.copyfileobj(response, sys.stdout.buffer)
            return
        aside = out.with_name(f"{out.name}.part")  # half an export is none
        with aside.open("wb") as file:
            shutil.copyfileobj(response, file)
        aside.replace(out)


@cli.command(epilog=manual("safelight jobs dead", asks=True))
def dead(url: Server = LOCAL, key_file: KeyFile = None) -> None:
    """List the quarantined jobs: those on which workers died too often."""
    from rich.console import Console
    from rich.table import Table

    from server.cli.asking import ask

    found = ask(url, "GET", "/jobs?status=failed&quarantined=true&limit=500", key_file)["jobs"]
    jobs = [job for job in found if job["quarantined"] and job.get("expiredAt") is None]
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


@cli.command(epilog=manual("safelight jobs retry m6226lbrqmfnh3f5ldnnrvqm", asks=True))
def retry(job_ids: list[str], url: Server = LOCAL, key_file: KeyFile = None) -> None:
    """Queue failed jobs again, with all their attempts before them."""
    from server.cli.asking import ask

    for job_id in job_ids:
        job = ask(url, "POST", f"/job/{job_id}/retry", key_file)
        print(f"{job_id}: {job['status']}")


def _query(
    status: list[str] | None,
    batch: str | None,
    client: str | None,
    error_code: str | None,
    since: str | None,
    to: str | None,
) -> dict[str, str | list[str]]:
    given = {
        **{"status": status, "batch": batch, "client": client, "errorCode": error_code},
        **{"from": since, "to": to},
    }
    return {name: value for name, value in given.items() if value}
