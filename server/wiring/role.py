"""What a node is for, and what its settings must name before it can be that beside others."""

from server.config import Settings, SettingsError

_SHARED = {
    "redis.url": "the Redis that all nodes share",
    "storage.url": "the bucket that all nodes share",
}
_SHARED_EDGE = {
    "records.url": "the PostgreSQL that all nodes share, or records.enabled = false",
    "signing.keys": "or no other node accepts what this one signs",
    "webhooks.secrets": "or each node signs with a secret of its own",
}


def refuse_unshared(settings: Settings) -> None:
    """Raises SettingsError where a node that is one of several would keep something to itself."""
    role = settings.server.role
    if role == "all":
        return
    wanted = _SHARED | (_SHARED_EDGE if role == "edge" else {})
    given = {
        "redis.url": settings.redis.url,
        "storage.url": settings.storage.url,
        "records.url": settings.records.url or not settings.records.enabled,
        "signing.keys": settings.signing.keys,
        "webhooks.secrets": settings.webhooks.secrets,
    }
    missing = [f"{name} ({why})" for name, why in wanted.items() if not given[name]]
    if missing:
        raise SettingsError(f"server.role: {role} also needs {'; '.join(missing)}")
