"""The tables of config.toml, one class each; their meaning and units stand in that file."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_MIB = 1024 * 1024

AssetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
SourceFormat = Literal["jpeg", "png", "webp", "avif", "heif", "gif", "tiff", "svg"]


class Section(BaseModel):
    """One table of config.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Section):
    role: Literal["all", "edge", "worker"] = "all"
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    data_dir: Path = Path("data")
    grace_s: float = Field(20.0, ge=0)
    drain_delay_s: float = Field(0.0, ge=0)
    open: bool = False
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    @property
    def meets_clients(self) -> bool:
        """Whether this node takes requests, fetches, and tells others."""
        return self.role != "worker"

    @property
    def has_lanes(self) -> bool:
        """Whether this node works on pictures."""
        return self.role != "edge"


class RedisSettings(Section):
    url: str = ""
    fsync: str = Field("always", pattern="^(always|everysec)$")
    max_memory_bytes: int = Field(256 * _MIB, ge=16 * _MIB)
    timeout_s: float = Field(5.0, gt=0)


class UploadSettings(Section):
    max_upload_bytes: int = Field(100 * _MIB, ge=1)
    max_request_bytes: int = Field(500 * _MIB, ge=1)
    max_files: int = Field(500, ge=1)
    max_options_bytes: int = Field(64 * 1024, ge=2)
    stall_timeout_s: float = Field(30.0, gt=0)
    sync_wait_s: float = Field(5.0, ge=0)
    max_wait_s: float = Field(60.0, ge=0)


class FetchSettings(Section):
    allow_hosts: tuple[str, ...] = ()
    deny_hosts: tuple[str, ...] = ()
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: tuple[Annotated[int, Field(ge=0, le=65535)], ...] = (80, 443)
    concurrency: int = Field(32, ge=1)
    host_concurrency: int = Field(6, ge=1)
    connect_timeout_s: float = Field(10.0, gt=0)
    stall_timeout_s: float = Field(15.0, gt=0)
    total_timeout_s: float = Field(120.0, gt=0)
    max_redirects: int = Field(3, ge=0, le=10)
    max_attempts: int = Field(4, ge=1)
    retry_delay_s: float = Field(1.0, ge=0)
    max_retry_after_s: float = Field(300.0, ge=0)
    cache_s: int = Field(0, ge=0)
    remember_s: int = Field(24 * 3600, ge=0)
    user_agent: str = Field("Safelight", pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
    max_waiting: int = Field(200_000, ge=1)
    max_ahead: int = Field(64, ge=1)
    max_urls: int = Field(500, ge=1)
    max_body_bytes: int = Field(4 * _MIB, ge=2)
    max_line_bytes: int = Field(64 * 1024, ge=2)


class TusSettings(Section):
    max_bytes: int = Field(0, ge=0)
    expire_s: int = Field(24 * 3600, ge=1)
    max_unfinished: int = Field(1000, ge=1)
    max_unfinished_bytes: int = Field(10 * 1024 * _MIB, ge=1)
    max_per_client: int = Field(100, ge=1)
    lock_wait_s: float = Field(5.0, gt=0)


class ArchiveSettings(Section):
    max_entries: int = Field(2000, ge=1)
    max_unpacked_bytes: int = Field(2048 * _MIB, ge=1)
    max_ratio: int = Field(200, ge=1)


class LimitSettings(Section):
    formats: tuple[SourceFormat, ...] = ("jpeg", "png", "webp", "avif", "heif", "gif", "tiff")
    max_pixels: int = Field(150_000_000, ge=1)
    max_side: int = Field(65_500, ge=1)
    max_frames: int = Field(500, ge=1)
    max_output_pixels: int = Field(150_000_000, ge=1)


class QueueSettings(Section):
    max_depth: int = Field(1000, ge=1)
    overload: str = Field("reject", pattern="^(reject|spool)$")
    spool_max_bytes: int = Field(4096 * _MIB, ge=1)
    bulk_share: int = Field(5, ge=2)
    max_group: int = Field(8, ge=1)
    lease_s: float = Field(15.0, gt=0)
    max_attempts: int = Field(3, ge=1)
    max_losses: int = Field(10, ge=1)
    retry_delay_s: float = Field(1.0, ge=0)


class PoolSettings(Section):
    min_lanes: int = Field(1, ge=1)
    max_lanes: int = Field(0, ge=0)
    grow_wait_s: float = Field(0.1, ge=0)
    shrink_idle_s: float = Field(60.0, gt=0)
    memory_budget_bytes: int = Field(0, ge=0)
    deadline_s: float = Field(60.0, gt=0)
    hard_grace_s: float = Field(5.0, gt=0)
    max_tasks_per_child: int = Field(1000, ge=1)
    max_rss_bytes: int = Field(600 * _MIB, ge=64 * _MIB)
    memory_kill_bytes: int = Field(2048 * _MIB, ge=128 * _MIB)


class RecipeSettings(Section):
    presets_only: bool = False


class ImageSettings(Section):
    keep_s: int = Field(7 * 24 * 3600, ge=1)
    keep_original_s: int = Field(0, ge=0)
    max_expires_in_s: int = Field(30 * 24 * 3600, ge=1)
    sweep_every_s: int = Field(3600, ge=1)
    orphan_grace_s: int = Field(3600, ge=0)


class DedupSettings(Section):
    enabled: bool = True


class LiveSettings(Section):
    progress_interval_s: float = Field(0.2, gt=0)
    position_interval_s: float = Field(1.0, gt=0)
    ping_s: float = Field(20.0, gt=0)
    confirm_timeout_s: float = Field(5.0, gt=0)
    max_sockets: int = Field(10_000, ge=1)
    max_watched_per_socket: int = Field(2000, ge=1)
    max_system_watchers: int = Field(100, ge=1)
    send_timeout_s: float = Field(20.0, gt=0)
    max_streams: int = Field(10_000, ge=1)
    stream_ping_s: float = Field(15.0, gt=0)
    stream_retry_s: float = Field(2.0, ge=0)
