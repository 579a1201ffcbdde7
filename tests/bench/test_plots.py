"""Drawings of what was measured."""

import json
from pathlib import Path
from xml.etree import ElementTree

from bench import lines
from bench.plots import Bar, Chart, draw_all, drawing

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_values() -> None:
    charts = [Chart("ms", [Bar("a & b", [30, 10]), Bar("c", [20])])]

    found = ElementTree.fromstring(drawing(charts))

    widths = [float(one.attrib["width"]) for one in found.iter(f"{SVG}rect")]
    assert [round(width / widths[1]) for width in widths] == [3, 1, 2]
    assert "a & b" in [one.text for one in found.iter(f"{SVG}text")]


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    sides = {"ours": {"1000": {"spread_ms": {"p99": 30.0}, "bytes_a_socket": 2048}}}
    (tmp_path / "fanout.json").write_text(json.dumps({"served": sides}))

    assert draw_all(tmp_path, tmp_path / "plots") == [tmp_path / "plots" / "fanout.svg"]
    assert "ours, 1000" in (tmp_path / "plots" / "fanout.svg").read_text()


def test_curves_of_several_sides_share_one_scale() -> None:
    panels = [
        lines.Panel(
            "MiB", [lines.Curve("a & b", [0, 1], [0, 10]), lines.Curve("c", [0, 2], [5, 20])]
        ),
        lines.Panel("keys", [lines.Curve("a & b", [0, 1], [0, 0])]),
    ]

    found = ElementTree.fromstring(lines.drawing("seconds", panels))

    one, other, flat = (
        [tuple(map(float, point.split(","))) for point in curve.attrib["points"].split()]
        for curve in found.iter(f"{SVG}polyline")
    )
    assert other[1][0] - other[0][0] == 2 * (one[1][0] - one[0][0])
    assert one[1][1] == (one[0][1] + other[1][1]) / 2
    assert flat[0][1] == flat[1][1]
    assert "a & b" in [text.text for text in found.iter(f"{SVG}text")]
