"""What was seen of a picture that everybody wants: rates, CPU, and ratios with their budgets."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median

from bench.report import Report, Row, at_least, spread

WANTED_BYTES = 60_000
BUDGETS = {"direct": 0.25, "sample": 0.8}

NAMES = {
    "static": "nginx, the file itself",
    "express": "express.static, the file itself",
    "direct": "GET /image",
    "proxy": "nginx proxy in front",
    "accel": "nginx, X-Accel-Redirect each time",
    "sample": "nginx as deploy/nginx/safelight.conf",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses."""

    rounds: int
    duration_s: int
    connections: int
    peers: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What wrk saw in one round of one way."""

    per_s: float
    p99_ms: float
    cpu_us: float
    """Of all that served, for one picture: a busy machine changes it little."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where each way answers for a picture; `bytes` of the file."""

    urls: dict[str, str]
    bytes: int


def told(
    options: Options,
    sites: dict[str, Site],
    measured: dict[str, dict[str, list[Asked]]],
    *,
    cores: tuple[int, int],
) -> Report:
    ratios = {
        site: {
            way: [
                one.per_s / static.per_s for one, static in zip(rounds, ways["static"], strict=True)
            ]
            for way, rounds in ways.items()
        }
        for site, ways in measured.items()
    }
    title = (
        f"hosting, {options.rounds} rounds of {options.duration_s} s, {options.connections}"
        f" connections, {cores[0]} cores serve and {cores[1]} ask"
    )
    figures = {
        "options": asdict(options),
        "bytes": {name: site.bytes for name, site in sites.items()},
        "per_s": {s: {w: [o.per_s for o in r] for w, r in x.items()} for s, x in measured.items()},
        "cpu_us": {
            s: {w: [o.cpu_us for o in r] for w, r in x.items()} for s, x in measured.items()
        },
        "p99_ms": {
            s: {w: [o.p99_ms for o in r] for w, r in x.items()} for s, x in measured.items()
        },
        "ratios": ratios,
    }
    return Report(title, tuple(_rows(sites, measured, ratios)), figures)


def _rows(
    sites: dict[str, Site],
    measured: dict[str, dict[str, list[Asked]]],
    ratios: dict[str, dict[str, list[float]]],
) -> Iterator[Row]:
    for site, ways in measured.items():
        size = sites[site].bytes
        yield Row(f"{site} picture, bytes", str(size))
        for way, rounds in ways.items():
            rates = [one.per_s for one in rounds]
            slow = f"p99 {median(one.p99_ms for one in rounds):.2f} ms"
            slow += f", {median(one.cpu_us for one in rounds):.0f} us of CPU"
            if size > WANTED_BYTES * 2:
                slow = f"{median(rates) * size / 1e6:.0f} MB/s, {slow}"
            yield Row(f"{NAMES[way]}, pictures/s", f"{spread(rates)}, {slow}")
        for way in ways:
            if way == "static":
                continue
            name, ratio = f"{NAMES[way]}, over nginx's own", median(ratios[site][way])
            if site == "hot" and way in BUDGETS:
                yield at_least(name, ratio, BUDGETS[way])
            else:
                yield Row(name, f"{ratio:.3g}")
