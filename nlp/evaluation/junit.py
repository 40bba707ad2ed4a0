"""An evaluation as a JUnit report, so that a build fails when understanding gets worse."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

from gateway.core.errors import Misconfigured
from nlp.evaluation.report import Evaluation


class Limits(msgspec.Struct, frozen=True):
    """What must hold, as shares; ``None`` asks for nothing. ``label_f1`` is asked of each label by itself."""

    accuracy: float | None = None
    f1: float | None = None
    label_f1: float | None = None
    calibration_error: float | None = None
    auroc: float | None = None


class Verdict(msgspec.Struct, frozen=True):
    """One figure against its limit. ``problem`` is empty when it holds, or nothing was asked."""

    name: str
    value: float
    problem: str


def verdicts(evaluation: Evaluation, limits: Limits) -> list[Verdict]:
    """Each figure, and each label's F1, against what was asked."""
    found = [
        _at_least("accuracy", evaluation.accuracy.value, limits.accuracy),
        _at_least("macro F1", evaluation.macro_f1.value, limits.f1),
        _at_most("calibration error", evaluation.calibration_error, limits.calibration_error),
    ]
    if evaluation.scope is not None:
        found.append(_at_least("AUROC of scope", evaluation.scope.auroc.value, limits.auroc))
    elif limits.auroc is not None:
        found.append(Verdict("AUROC of scope", 0.0, "was asked for, and there are no texts out of scope to measure it"))
    tested = [label for label in evaluation.labels if label.texts]
    found += [_at_least(f"F1 of {label.label}", label.f1, limits.label_f1) for label in tested]
    return found


def write_junit(evaluation: Evaluation, limits: Limits, path: Path) -> None:
    """Write the verdicts as JUnit XML. Raises ``Misconfigured`` when *path* cannot be written to."""
    found = verdicts(evaluation, limits)
    failed = sum(bool(each.problem) for each in found)
    suite = ET.Element(
        "testsuite",
        name=f"understanding.{evaluation.task}",
        tests=str(len(found)),
        failures=str(failed),
        errors="0",
        time=f"{evaluation.seconds:.2f}",
    )
    for each in found:
        case = ET.SubElement(suite, "testcase", classname=f"understanding.{evaluation.task}", name=_clean(each.name))
        if each.problem:
            ET.SubElement(case, "failure", message=_clean(each.problem))
        ET.SubElement(case, "system-out").text = f"{each.value:.4f}"
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise Misconfigured("--junit", f"{path} cannot be written to: {error.strerror}") from error


def _at_least(name: str, value: float, limit: float | None) -> Verdict:
    is_broken = limit is not None and value < limit
    return Verdict(name, value, f"{value:.4f} is below {limit}" if is_broken else "")


def _at_most(name: str, value: float, limit: float | None) -> Verdict:
    is_broken = limit is not None and value > limit
    return Verdict(name, value, f"{value:.4f} is above {limit}" if is_broken else "")


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(c if c.isprintable() else "?" for c in text).encode("utf-8", "replace").decode()
