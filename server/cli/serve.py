"""`safelight serve`: the service itself."""

import sys
from typing import Annotated

import typer

from server.cli.flags import Config, DataDir
from server.cli.manual import manual

MANUAL = manual(
    "safelight serve",
    "safelight serve --port 9000 --data-dir /srv/pictures",
    "safelight serve --host 0.0.0.0 --config /etc/safelight/config.toml",
    "SAFELIGHT_QUEUE__MAX_DEPTH=5000 safelight serve",
    exit_codes={0: "stopped as asked", 1: "it could not start, or a part of it died"},
)


def serve(
    role: Annotated[
        str | None,
        typer.Option(help="all, edge (takes requests) or worker (works); several nodes share."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    data_dir: DataDir = None,
    open: Annotated[
        bool | None,
        typer.Option("--open", help="Listen beyond this machine without API keys."),
    ] = None,
    config: Config = None,
) -> None:
    """Run the service until Ctrl-C or SIGTERM.

    Flags win over the environment, the environment over config.toml, which names every setting.
    """
    # Here and not above: what a service needs takes a second to load, and --help has none of it.
    import asyncio

    import uvloop
    from redis.exceptions import RedisError

    from server.cli.settings import settings_of
    from server.config import SettingsError
    from server.jobs.fitness import RedisUnfit
    from server.ops.lock import DataDirInUse
    from server.ops.logs import set_up_logs
    from server.ops.networks import NetworksUnfit
    from server.ops.valkey_setup import ValkeyFailed
    from server.records.database import RecordsUnfit
    from server.service import PartDied, Service

    unfit = (SettingsError, DataDirInUse, ValkeyFailed, RedisUnfit, RecordsUnfit, NetworksUnfit)
    given = {"role": role, "host": host, "port": port, "data_dir": data_dir, "open": open}
    try:
        settings = settings_of(config, given)
        set_up_logs(settings.logging)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Service(settings).run(_announce))
    except (*unfit, PartDied) as error:
        sys.exit(f"safelight: {error}")
    except RedisError as error:
        sys.exit(f"safelight: Redis does not answer: {error}")
    except OSError as error:
        sys.exit(f"safelight: cannot start: {error}")


def _announce(url: str) -> None:
    from server.ops import supervisor

    print(f"Safelight is ready at {url}", flush=True)
    supervisor.tell(supervisor.READY)
