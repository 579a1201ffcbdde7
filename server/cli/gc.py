"""`safelight gc`: remove at once what the janitor of a running service would remove in time."""

import sys
from typing import Annotated

import typer

from server.cli.flags import Config, DataDir
from server.cli.manual import manual

MANUAL = manual(
    "safelight gc --dry-run",
    "safelight gc --data-dir /srv/pictures",
    exit_codes={0: "done", 1: "Redis or the storage does not answer"},
)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list it.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Remove what has expired and files that no job knows. The service may go on meanwhile."""
    from redis.exceptions import RedisError

    from server.cli.collecting import collect
    from server.cli.settings import settings_or_end

    settings = settings_or_end(config, data_dir)
    try:
        collect(settings, removes=not dry_run)
    except RedisError as error:
        sys.exit(
            "safelight: Redis does not answer; gc works beside a running service or with"
            f" redis.url: {error}"
        )
    except OSError as error:
        sys.exit(f"safelight: the storage fails: {error}")
