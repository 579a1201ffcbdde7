"""What a run of `throughput` has measured, as figures and as rows with their budgets."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from bench import tree
from bench.report import Report, Row, at_least, at_most, in_words, percentiles_ms, spread
from bench.scenarios.throughput import MONITORED, RECIPE, Options, Rounds, ServedRound
from bench.services import OURS

MIB = 1024 * 1024
QUEUE_PEER = "Fastify + BullMQ + sharp"


def report_of(options: Options, rounds: Rounds) -> Report:
    """The report of all rounds."""
    title = f"throughput, {options.count * options.rounds} pictures in {options.rounds} rounds"
    figures = _figures(options, rounds)
    return Report(title, tuple(_rows(options, figures)), figures)


def _figures(options: Options, rounds: Rounds) -> dict[str, Any]:
    bare_cpu_s = sum(one.cpu_s for one in rounds.bare)
    ours = rounds.served[OURS]
    commands = sum((one.commands for one in ours), Counter[str]())
    return {
        "options": {**asdict(options), "folder": options.folder and str(options.folder)},
        "recipe": RECIPE,
        "bare": {
            "pictures_per_s": [options.count / one.wall_s for one in rounds.bare],
            "cpu_ms": bare_cpu_s / (options.count * options.rounds) * 1000,
        },
        "served": {name: _served(options, rounds, one) for name, one in rounds.served.items()},
        "redis_by_command": {
            name: number / (options.count * options.rounds)
            for name, number in commands.most_common()
        },
        "redis_by_sender": {who: sent.total() / MONITORED for who, sent in rounds.senders.items()},
    }


def _served(options: Options, rounds: Rounds, served: Sequence[ServedRound]) -> dict[str, Any]:
    pictures = options.count * options.rounds
    pairs = list(zip(served, rounds.bare, strict=True))
    peak = max((one.peak for one in served), key=lambda peak: peak.total)
    return {
        "cpu_over_bare": [one.cpu.total / bare.cpu_s for one, bare in pairs],
        "throughput_over_bare": [bare.wall_s / one.answers.wall_s for one, bare in pairs],
        "pictures_per_s": [options.count / one.answers.wall_s for one in served],
        "upload_to_event_ms": percentiles_ms(
            [taken_s for one in served for taken_s in one.answers.taken_s]
        ),
        "cpu_ms": {
            part: sum(getattr(one.cpu, part) for one in served) / pictures * 1000
            for part in ("total", *tree.PARTS)
        },
        "driver_cpu_ms": sum(one.driver_cpu_s for one in served) / pictures * 1000,
        "refused": sum(one.answers.refused for one in served),
        "peak_pss_bytes": {"total": peak.total, **peak.parts},
        "redis_a_picture": sum(one.commands.total() for one in served) / pictures,
    }


def _rows(options: Options, figures: dict[str, Any]) -> Iterator[Row]:
    service, bare = figures["served"][OURS], figures["bare"]
    cpu_ms, senders = service["cpu_ms"], figures["redis_by_sender"]
    is_small = options.folder is None and options.kind == "small"
    yield Row("pictures per second, service", spread(service["pictures_per_s"]))
    yield Row("pictures per second, bare libvips", spread(bare["pictures_per_s"]))
    yield at_least("throughput over bare, median", median(service["throughput_over_bare"]), 0.92)
    yield Row("upload to completed event, ms", in_words(service["upload_to_event_ms"]))
    yield Row("CPU ms a picture, bare libvips", f"{bare['cpu_ms']:.1f}")
    yield Row("CPU ms a picture, whole service", f"{cpu_ms['total']:.1f}")
    over_bare = median(service["cpu_over_bare"])
    yield at_most("CPU over bare, median", over_bare, 1.25 if is_small else 1.06)
    yield Row("of it workers, ms", f"{cpu_ms['workers']:.2f}")
    yield Row("of it server, ms", f"{cpu_ms['server']:.2f}")
    yield Row("of it Redis, ms", f"{cpu_ms['redis']:.2f}")
    yield at_most("outside the workers", cpu_ms["server"] + cpu_ms["redis"], 6, " ms")
    yield at_most("Redis commands a picture, by clients", senders["client"], 8)
    yield Row("Redis commands a picture, in scripts", f"{senders['script']:.1f}")
    yield Row("Redis commands a picture, all", f"{service['redis_a_picture']:.1f}")
    peak_bytes = service["peak_pss_bytes"]["total"]
    yield at_most("peak memory (PSS) of all processes", peak_bytes / MIB, 400, " MiB")
    yield Row("uploads answered 429", str(service["refused"]))
    yield Row("CPU ms a picture, our driver (not counted)", f"{service['driver_cpu_ms']:.1f}")
    for name, other in figures["served"].items():
        if name != OURS:
            yield from _peer_rows(name, other, service)


def _peer_rows(name: str, other: dict[str, Any], service: dict[str, Any]) -> Iterator[Row]:
    cpu_ms, peak_bytes = other["cpu_ms"], other["peak_pss_bytes"]["total"]
    yield Row(f"[bold]{name}[/]", "")
    yield Row("pictures per second", spread(other["pictures_per_s"]))
    yield Row("throughput over bare, median", f"{median(other['throughput_over_bare']):.3g}")
    yield Row("CPU ms a picture", f"{cpu_ms['total']:.1f}")
    yield Row("of it server and Redis, ms", f"{cpu_ms['server'] + cpu_ms['redis']:.2f}")
    yield Row("CPU over bare, median", f"{median(other['cpu_over_bare']):.3g}")
    ratios = [
        ours / theirs
        for ours, theirs in zip(service["cpu_over_bare"], other["cpu_over_bare"], strict=True)
    ]
    if name == QUEUE_PEER:
        yield at_most("CPU of ours over it, median", median(ratios), 0.90)
    else:
        yield Row("CPU of ours over it, median", f"{median(ratios):.3g}")
    yield Row("upload to completed event, ms", in_words(other["upload_to_event_ms"]))
    yield Row("Redis commands a picture, all", f"{other['redis_a_picture']:.1f}")
    yield Row("peak memory (PSS) of all processes", f"{peak_bytes / MIB:.3g} MiB")
