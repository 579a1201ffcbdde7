"""What each route asks of whoever comes, in two tables. gate.py holds requests to them."""

from collections.abc import Mapping

from aiohttp import web

# Open to all: what says nothing of anybody's pictures.
ANYONE = ""
# The handler looks by itself at what the request brings: a token of its own, or a signed URL.
ITSELF = "itself"
# Pictures are looked at without a key, unless they are private or auth.public_images is false.
LOOK = "look"

# What each route needs; one that is missing here needs `admin`.
NEEDS: Mapping[str, str] = {
    "POST /upload": "upload",
    "POST /process": "upload",
    "POST /uploads": "upload",
    "PUT /uploads/{id}": ITSELF,
    "POST /uploads/{id}/complete": "upload",
    "POST /hooks/storage": ITSELF,
    "OPTIONS /files": ANYONE,
    "OPTIONS /files/{id}": ANYONE,
    "POST /files": "upload",
    "POST /files/{id}": "upload",
    "GET /files/{id}": "upload",
    "PATCH /files/{id}": "upload",
    "DELETE /files/{id}": "upload",
    "GET /status/{id}": "read",
    "GET /job/{id}": "read",
    "GET /job/{id}/trace": "read",
    "GET /events/{id}": "read",
    "GET /ws": "read",
    "GET /batch/{id}/zip": "read",
    "POST /zip": "read",
    "DELETE /job/{id}": "upload",
    "POST /job/{id}/retry": "upload",
    "GET /jobs": "read",
    "GET /jobs.csv": "read",
    "GET /jobs.ndjson": "read",
    "GET /image/{id}": LOOK,
    "GET /image/{id}/{variant}": LOOK,
    "POST /image/{id}/sign": "read",
    "DELETE /image/{id}": "upload",
    "GET /webhooks/secret": "upload",
    "GET /webhooks/deliveries": "admin",
    "GET /webhooks/deliveries/{id}": "admin",
    "POST /webhooks/deliveries/{id}/replay": "admin",
    "GET /webhooks/endpoints": "admin",
    "POST /webhooks/endpoints/{name}/enable": "admin",
    "POST /webhooks/endpoints/{name}/ping": "admin",
    "GET /metrics": "admin",
    "GET /livez": ANYONE,
    "GET /readyz": ANYONE,
    "GET /health": ANYONE,  # how its parts stand: admin
    "GET /schema/recipe": ANYONE,
    "GET /presets": ANYONE,
    "GET /ai": ANYONE,
    "GET /config": ANYONE,  # says of the caller's own key what it may do
    "GET /openapi.json": ANYONE,
    "GET /docs": ANYONE,
    "GET /control": ANYONE,  # what it shows comes by GET /ws and GET /jobs
    "GET /problems/{code}": ANYONE,
    "GET /": ANYONE,
    "GET /pipeline": ANYONE,
    "GET /web/{path}": ANYONE,
}

# Whose {id} is a job or batch: others than its owner and admin are told that there is none. The
# other routes with an id look for themselves.
OWNED = frozenset(
    {
        "GET /batch/{id}/zip",
        "GET /status/{id}",
        "GET /job/{id}",
        "GET /job/{id}/trace",
        "GET /events/{id}",
        "DELETE /job/{id}",
        "POST /job/{id}/retry",
        "DELETE /image/{id}",
    }
)

WEBSOCKET = "GET /ws"


def route_of(request: web.Request) -> str:
    """The row of NEEDS: method and pattern; empty where no route fits."""
    resource = request.match_info.route.resource
    if resource is None:
        return ""
    method = "GET" if request.method == "HEAD" else request.method
    return f"{method} {resource.canonical}"
