"""Measures the feelings on the texts that were written apart: ``python -m nlp.sentiment``."""

from __future__ import annotations

import sys

from nlp.sentiment.measuring import as_table, measure

if __name__ == "__main__":
    sys.stdout.write(as_table(measure()))
