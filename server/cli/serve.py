"""`safelight serve`: the service itself."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from redis.exceptions import RedisError

from server.config import SettingsError, load
from server.jobs.fitness import RedisUnfit
from server.ops.lock import DataDirInUse
from server.ops.logs import set_up_logs
from server.ops.valkey_setup import ValkeyFailed

_CONFIG = Path("config.toml")


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for everything kept.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings; config.toml in this folder if there is one.")
    ] = None,
) -> None:
    """Run the service until Ctrl-C or SIGTERM."""
    from server.app import PartDied, Service

    given = {"host": host, "port": port, "data_dir": data_dir}
    flags: dict[str, dict[str, Any]] = {
        "server": {name: value for name, value in given.items() if value is not None}
    }
    if config is None and _CONFIG.is_file():
        config = _CONFIG
    try:
        settings = load(config, flags)
        set_up_logs(settings.server.log_level, settings.server.log_format)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Service(settings).run(_announce))
    except (SettingsError, DataDirInUse, ValkeyFailed, RedisUnfit, PartDied) as error:
        sys.exit(f"safelight: {error}")
    except RedisError as error:
        sys.exit(f"safelight: Redis does not answer: {error}")
    except OSError as error:
        sys.exit(f"safelight: cannot start: {error}")


def _announce(url: str) -> None:
    print(f"Safelight is ready at {url}", flush=True)
