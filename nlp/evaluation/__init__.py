"""How well texts are understood: figures with intervals, confusions, calibration, scope, and whether more data helps.

:mod:`nlp.evaluation.metrics` is arithmetic on arrays, :mod:`nlp.evaluation.judging` has classifiers judge what they
have not seen, :mod:`nlp.evaluation.report` is the shape of what comes out.
"""

from __future__ import annotations

from nlp.evaluation.judging import Plan, Taught, cross_validate, judge_file
from nlp.evaluation.report import Evaluation

__all__ = ["Evaluation", "Plan", "Taught", "cross_validate", "judge_file"]
