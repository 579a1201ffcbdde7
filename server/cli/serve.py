"""`safelight serve`: the service itself."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from redis.exceptions import RedisError

from server.config import Settings, SettingsError, load
from server.jobs.fitness import RedisUnfit
from server.ops.lock import DataDirInUse
from server.ops.logs import set_up_logs
from server.ops.networks import NetworksUnfit
from server.ops.valkey_setup import ValkeyFailed
from server.records.database import RecordsUnfit

_CONFIG = Path("config.toml")
UNFIT = (SettingsError, DataDirInUse, ValkeyFailed, RedisUnfit, RecordsUnfit, NetworksUnfit)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for everything kept.")] = None,
    open: Annotated[
        bool | None,
        typer.Option("--open", help="Listen beyond this machine without API keys."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings; config.toml in this folder if there is one.")
    ] = None,
) -> None:
    """Run the service until Ctrl-C or SIGTERM."""
    from server.service import PartDied, Service

    given = {"host": host, "port": port, "data_dir": data_dir, "open": open}
    try:
        settings = settings_of(config, given)
        set_up_logs(settings.server.log_level, settings.server.log_format)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Service(settings).run(_announce))
    except (*UNFIT, PartDied) as error:
        sys.exit(f"safelight: {error}")
    except RedisError as error:
        sys.exit(f"safelight: Redis does not answer: {error}")
    except OSError as error:
        sys.exit(f"safelight: cannot start: {error}")


def settings_of(config: Path | None, given: dict[str, Any]) -> Settings:
    """The settings of this folder or of a file, under flags of [server] that were given or None."""
    flags = {"server": {name: value for name, value in given.items() if value is not None}}
    if config is None and _CONFIG.is_file():
        config = _CONFIG
    return load(config, flags)


def _announce(url: str) -> None:
    print(f"Safelight is ready at {url}", flush=True)
