"""An evaluation as pictures: Vega-Lite specifications of ours, drawn by ``vl-convert-python`` (``tertulia[plots]``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.core.errors import Misconfigured
from nlp.evaluation.report import Evaluation

Spec = dict[str, Any]

INK, SOFT, LINE, CARD = "#23201B", "#6B655B", "#E6DFD3", "#FFFFFF"
BOT, ACCENT, AGENT = "#1F6F78", "#B5482F", "#5A7247"
SERIES = [BOT, ACCENT, AGENT, "#7A5C99", "#C08A2E", "#4B6A9B"]
MOST_LABELS = 25
MOST_CURVES = 12
PIXELS_A_POINT = 2.0

LOOK: Spec = {
    "background": CARD,
    "padding": 16,
    "font": "system-ui, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif",
    "view": {"stroke": None},
    "title": {"anchor": "start", "color": INK, "fontSize": 17, "subtitleColor": SOFT, "subtitleFontSize": 13,
              "offset": 12},
    "axis": {"labelColor": SOFT, "titleColor": SOFT, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE,
             "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 220},
    "legend": {"labelColor": INK, "titleColor": SOFT, "labelFontSize": 12, "titleFontSize": 12},
    "range": {"category": SERIES},
}  # fmt: skip


def draw(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write each picture as SVG and PNG into *folder*, which is made; returns the files.

    Raises ``Misconfigured`` when the library is not installed, or *folder* cannot be written to.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise Misconfigured("--plots", "needs one more library: pip install 'tertulia[plots]'") from error
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, spec in specifications(evaluation).items():
            svg, png = folder / f"{name}.svg", folder / f"{name}.png"
            svg.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
            png.write_bytes(vl_convert.vegalite_to_png(spec, scale=PIXELS_A_POINT))
            written += [svg, png]
    except OSError as error:
        raise Misconfigured("--plots", f"{folder} cannot be written to: {error.strerror}") from error
    return written


def specifications(evaluation: Evaluation) -> dict[str, Spec]:
    """Vega-Lite specifications by name; those without anything to show are left out."""
    makers: dict[str, Callable[[Evaluation], Spec | None]] = {
        "labels": _labels,
        "confusions": _confusions,
        "calibration": _calibration,
        "scope": _scope,
        "learning": _learning,
    }
    made = {name: make(evaluation) for name, make in makers.items()}
    return {name: {**_FRAME, **spec} for name, spec in made.items() if spec is not None}


_FRAME: Spec = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": LOOK}


def _title(question: str, answer: str) -> Spec:
    return {"text": question, "subtitle": answer}


def _percent(field: str, title: str, **more: object) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "axis": {"format": ".0%"}, **more}


def _labels(evaluation: Evaluation) -> Spec:
    weakest = evaluation.labels[:MOST_LABELS]
    shown = f"The weakest {len(weakest)} of {len(evaluation.labels)} labels" if len(weakest) > 1 else "One label"
    return {
        "title": _title("Which labels are understood least?", f"{shown}; F1 joins precision and recall"),
        "width": 420,
        "height": {"step": 22},
        "data": {"values": [{"label": each.label, "f1": each.f1, "texts": each.texts} for each in weakest]},
        "encoding": {"y": {"field": "label", "type": "nominal", "sort": None, "title": None}},
        "layer": [
            {
                "mark": {"type": "bar", "color": BOT, "cornerRadiusEnd": 3},
                "encoding": {"x": _percent("f1", "F1", scale={"domain": [0, 1]})},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 4, "color": SOFT, "fontSize": 12},
                "encoding": {
                    "x": {"field": "f1", "type": "quantitative"},
                    "text": {"field": "f1", "format": ".0%"},
                },
            },
        ],
    }


def _confusions(evaluation: Evaluation) -> Spec | None:
    pairs = evaluation.confusions[:MOST_LABELS]
    if not pairs:
        return None
    values = [{"label": each.label, "taken for": each.predicted, "texts": each.texts} for each in pairs]
    return {
        "title": _title("What is taken for what?", f"The {len(pairs)} most frequent confusions, in texts"),
        "width": {"step": 30},
        "height": {"step": 24},
        "data": {"values": values},
        "encoding": {
            "y": {"field": "label", "type": "nominal", "title": "It was"},
            "x": {"field": "taken for", "type": "nominal", "title": "Taken for", "axis": {"labelAngle": -40}},
        },
        "layer": [
            {
                "mark": {"type": "rect", "cornerRadius": 3},
                "encoding": {
                    "color": {
                        "field": "texts",
                        "type": "quantitative",
                        "scale": {"range": ["#F3D9D1", ACCENT]},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text", "color": INK, "fontSize": 12},
                "encoding": {"text": {"field": "texts", "type": "quantitative"}},
            },
        ],
    }


def _calibration(evaluation: Evaluation) -> Spec:
    values = [{"claimed": each.claimed, "right": each.right, "texts": each.texts} for each in evaluation.reliability]
    return {
        "title": _title(
            "Is the bot as sure as it should be?",
            f"On the line it is; the mean gap is {evaluation.calibration_error:.1%}",
        ),
        "width": 360,
        "height": 360,
        "layer": [
            {
                "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
                "mark": {"type": "line", "color": SOFT, "strokeDash": [4, 4]},
                "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
            },
            {
                "data": {"values": values},
                "mark": {"type": "line", "color": BOT, "point": False},
                "encoding": {
                    "x": _percent("claimed", "How sure it says it is", scale={"domain": [0, 1]}),
                    "y": _percent("right", "How often it is right", scale={"domain": [0, 1]}),
                },
            },
            {
                "data": {"values": values},
                "mark": {"type": "circle", "color": BOT, "opacity": 1},
                "encoding": {
                    "x": {"field": "claimed", "type": "quantitative"},
                    "y": {"field": "right", "type": "quantitative"},
                    "size": {"field": "texts", "type": "quantitative", "title": "Texts"},
                },
            },
        ],
    }


def _scope(evaluation: Evaluation) -> Spec | None:
    scope = evaluation.scope
    if scope is None:
        return None
    values = [{"kept": each.kept, "caught": each.caught} for each in scope.curve]
    source = "the author's examples" if scope.source == "examples" else "labels that were hidden"
    return {
        "title": _title("What does catching foreign texts cost?", f"{scope.outside} texts out of scope, from {source}"),
        "width": 420,
        "height": 320,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "line", "color": BOT},
                "encoding": {
                    "x": _percent("kept", "Questions in scope that are kept", scale={"domain": [0.5, 1]}),
                    "y": _percent("caught", "Texts out of scope that are caught", scale={"domain": [0, 1]}),
                    "order": {"field": "kept", "type": "quantitative"},
                },
                "transform": [{"filter": "datum.kept >= 0.5"}],
            },
            {
                "data": {
                    "values": [{"kept": scope.in_use.kept, "caught": scope.in_use.caught, "name": "threshold in use"}]
                },
                "encoding": {
                    "x": {"field": "kept", "type": "quantitative"},
                    "y": {"field": "caught", "type": "quantitative"},
                },
                "layer": [
                    {"mark": {"type": "point", "filled": True, "size": 90, "color": ACCENT}},
                    {
                        "mark": {
                            "type": "text",
                            "align": "right",
                            "dx": -10,
                            "dy": 14,
                            "color": ACCENT,
                            "fontSize": 12,
                        },
                        "encoding": {"text": {"field": "name"}},
                    },
                ],
            },
        ],
    }


def _learning(evaluation: Evaluation) -> Spec | None:
    learning = evaluation.learning
    if learning is None:
        return None
    wanting = [each for each in learning.labels if each.advice == "more examples"][:MOST_CURVES]
    chosen = wanting or list(learning.labels[:MOST_CURVES])
    values = [
        {"label": each.label, "examples": point.examples, "f1": point.f1} for each in chosen for point in each.points
    ]
    answer = "Labels that still gain from more examples" if wanting else "No label gains much from more examples"
    return {
        "title": _title("Where do more examples help?", answer),
        "width": 130,
        "height": 90,
        "data": {"values": values},
        "facet": {"field": "label", "type": "nominal", "sort": None, "title": None},
        "columns": 4,
        "spec": {
            "width": 130,
            "height": 90,
            "mark": {"type": "line", "color": BOT, "point": {"color": BOT}},
            "encoding": {
                "x": {"field": "examples", "type": "quantitative", "title": "Examples", "axis": {"tickCount": 3}},
                "y": _percent("f1", "F1", scale={"domain": [0, 1]}),
            },
        },
    }
