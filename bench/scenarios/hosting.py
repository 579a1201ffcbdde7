"""A picture that everybody wants: GET /image directly and behind nginx, beside nginx on the file.

All ways in turn, round after round, on the same cores; whoever asks (wrk) has the others.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.progress import track

from bench import own, peer, photos, tree
from bench.report import Report
from bench.scenarios.hosting_report import NAMES, WANTED_BYTES, Asked, Options, Site, told
from tests.nginx_process import Nginx, nginx_program, sample
from tests.ports import free_port
from tests.server_process import ServerProcess

LARGE_RECIPE = {"format": "png", "resize": {"width": 2000}}
WIDTHS = range(400, 1601, 50)
WARM_UP_S = 1.0
TIMEOUT = "30s"
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_WRONG = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)")
_REQUESTS = re.compile(r"(\d+) requests in")
_P99 = re.compile(r"99%\s+([\d.]+)(us|ms|s)")
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def hosting(options: Options) -> Report:
    """Run it all; wrk and nginx must be installed (Debian: wrk, nginx)."""
    for program, found in (("wrk", shutil.which("wrk")), ("nginx", nginx_program())):
        if found is None:
            raise FileNotFoundError(f"{program} is not installed; Debian's package is {program}")
    cores = sorted(os.sched_getaffinity(0))
    half = max(1, len(cores) // 2)
    serving, asking = cores[:half], cores[half:] or cores
    with tempfile.TemporaryDirectory(prefix="safelight-hosting-") as name, ExitStack() as stack:
        sites, roots = _sites(Path(name), serving, stack)
        if options.peers:
            roots += (_beside_express(sites, Path(name) / "kept" / "data", serving, stack),)
        measured = _measure(options, sites, asking, roots)
    return told(options, sites, measured, cores=(len(serving), len(asking)))


def _sites(
    work: Path, serving: list[int], stack: ExitStack
) -> tuple[dict[str, Site], tuple[int, ...]]:
    """Two servers, the second without leave for nginx to keep what it was given, and one nginx;
    with them their process ids.
    """
    with _on(serving):
        kept = _server(work / "kept", proxy_cache_s=1, stack=stack)
        asked = _server(work / "asked", proxy_cache_s=0, stack=stack)
    recipes = {"hot": _recipe_for(kept, work), "large": LARGE_RECIPE}
    pictures = {name: _picture(kept, work, recipe) for name, recipe in recipes.items()}
    others = {name: _picture(asked, work, recipe) for name, recipe in recipes.items()}
    for cache in ("one", "two"):
        (work / cache).mkdir()
    ports = {name: free_port() for name in ("static", "proxy", "accel", "sample")}
    text = "\n".join(
        (
            "keepalive_requests 1000000000; open_file_cache max=1000; tcp_nopush on;",
            sample(kept.url, kept.data_dir, work / "one", ports["sample"]),
            _renamed(sample(asked.url, asked.data_dir, work / "two", ports["accel"])),
            f"server {{ listen 127.0.0.1:{ports['static']}; root {kept.data_dir}; }}",
            f"server {{ listen 127.0.0.1:{ports['proxy']}; location / {{ proxy_pass"
            " http://safelight; proxy_http_version 1.1; proxy_set_header Connection ''; } }",
        )
    ).replace("keepalive 64;", "keepalive 64; keepalive_requests 1000000000;")
    nginx = Nginx(work / "nginx", ports["static"], text, main=f"worker_processes {len(serving)};")
    with _on(serving):
        nginx.start()
    stack.callback(nginx.stop)
    sites = {
        name: Site(
            {
                "static": f"{nginx.url}/{_file(pictures[name])}",
                "direct": kept.url + pictures[name]["url"],
                "proxy": f"http://127.0.0.1:{ports['proxy']}{pictures[name]['url']}",
                "accel": f"http://127.0.0.1:{ports['accel']}{others[name]['url']}",
                "sample": f"http://127.0.0.1:{ports['sample']}{pictures[name]['url']}",
            },
            pictures[name]["variants"][0]["bytes"],
        )
        for name in recipes
    }
    return sites, (kept.pid, asked.pid, nginx.pid)


def _beside_express(
    sites: dict[str, Site], data_dir: Path, serving: list[int], stack: ExitStack
) -> int:
    """The same files by express.static, on the same cores; its process id."""
    peer.install()
    port = free_port()
    environment = os.environ | {
        "NODE_ENV": "production",
        "PORT": str(port),
        "FOLDER": str(data_dir),
    }
    program = ["node", str(peer.FOLDER / "static.js")]
    with _on(serving):
        node = stack.enter_context(
            subprocess.Popen(program, env=environment, stdout=subprocess.PIPE)
        )
    stack.callback(node.terminate)
    assert node.stdout is not None
    if not node.stdout.readline():
        raise RuntimeError("express.static did not start")
    for site in sites.values():
        path = site.urls["static"].split("/", 3)[3]
        site.urls["express"] = f"http://127.0.0.1:{port}/{path}"
    return node.pid


def _measure(
    options: Options, sites: dict[str, Site], asking: list[int], roots: tuple[int, ...]
) -> dict[str, dict[str, list[Asked]]]:
    """By site and way, a figure each round."""
    found: dict[str, dict[str, list[Asked]]] = {
        site: {way: [] for way in NAMES if way in asked.urls} for site, asked in sites.items()
    }
    turns = [
        (site, way)
        for _ in range(options.rounds)
        for site, asked in sites.items()
        for way in NAMES
        if way in asked.urls
    ]
    for site, way in track(turns, description="asking"):
        url = sites[site].urls[way]
        for duration_s in (WARM_UP_S, options.duration_s):
            asked = _wrk(url, options.connections, duration_s, asking, roots)
        found[site][way].append(asked)
    return found


def _wrk(
    url: str, connections: int, duration_s: float, cores: list[int], roots: tuple[int, ...]
) -> Asked:
    """Raises RuntimeError when anything but pictures came back."""
    command = ["taskset", "-c", ",".join(map(str, cores))]
    command += ["wrk", f"-t{len(cores)}", f"-c{connections}", f"-d{duration_s:g}s", "--latency"]
    command += ["--timeout", TIMEOUT]
    cpu_before_s = _cpu_s(roots)
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    if wrong := _WRONG.search(output):
        raise RuntimeError(f"{url}: {wrong[0]}")
    cpu_s = _cpu_s(roots) - cpu_before_s
    rate, slow, number = _RATE.search(output), _P99.search(output), _REQUESTS.search(output)
    if rate is None or slow is None or number is None:
        raise RuntimeError(f"wrk said something else: {output}")
    return Asked(float(rate[1]), float(slow[1]) * _MS[slow[2]], cpu_s * 1e6 / int(number[1]))


def _cpu_s(roots: tuple[int, ...]) -> float:
    return sum(tree.cpu_s_of(tree.family(root)) for root in roots)


@contextmanager
def _on(cores: list[int]) -> Iterator[None]:
    """What is started within runs on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _server(folder: Path, *, proxy_cache_s: int, stack: ExitStack) -> ServerProcess:
    environment = {
        "SAFELIGHT_HOSTING__X_ACCEL_PREFIX": "/_pictures/",
        "SAFELIGHT_HOSTING__PROXY_CACHE_S": str(proxy_cache_s),
        "SAFELIGHT_AI__ENABLED": "false",
        "SAFELIGHT_DEDUP__ENABLED": "false",  # or the file would lie under another picture's id
    }
    server = own.start(folder / "data", environment=environment)
    stack.callback(server.close)
    return server


def _recipe_for(server: ServerProcess, work: Path) -> dict[str, Any]:
    """The width at which the picture has about the bytes that are wanted."""
    best: tuple[int, dict[str, Any]] = (1 << 40, {})
    for width in WIDTHS:
        recipe = {"resize": {"width": width}, "format": "webp", "quality": 80}
        size = _picture(server, work, recipe)["variants"][0]["bytes"]
        best = min(best, (abs(size - WANTED_BYTES), recipe), key=lambda one: one[0])
        if size > WANTED_BYTES:
            break
    return best[1]


def _picture(server: ServerProcess, work: Path, recipe: dict[str, Any]) -> dict[str, Any]:
    folder = work / "photos"
    found = sorted(folder.iterdir()) if folder.exists() else photos.generate(folder, "mixed")
    body = next(one for one in found if "1920" in one.name).read_bytes()
    request = urllib.request.Request(
        f"{server.url}/upload?options={quote(json.dumps(recipe))}",
        data=body,
        headers={"Content-Type": "image/jpeg", "Prefer": "wait=30"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    if answer["status"] != "completed":
        raise RuntimeError(f"the picture was not made: {answer}")
    return answer


def _file(picture: dict[str, Any]) -> str:
    image_id, variant = picture["imageId"], picture["variants"][0]
    return f"results/{image_id[:2]}/{image_id}/{variant['name']}.{variant['format']}"


def _renamed(sample_text: str) -> str:
    """A second copy of the sample beside the first: names of its own for what is shared."""
    text = re.sub(r"upstream safelight\b", "upstream other", sample_text)
    text = text.replace("http://safelight", "http://other").replace("safelight_", "other_")
    return text.replace("keys_zone=safelight:", "keys_zone=other:").replace(
        "proxy_cache          safelight;", "proxy_cache          other;"
    )
