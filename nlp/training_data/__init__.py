"""What an author teaches: examples in Rasa's YAML, CSV and JSONL, read, checked, taken apart and written back."""

from nlp.training_data.examples import (
    OUT_OF_SCOPE,
    EntityMark,
    Example,
    TrainingData,
    same_text,
    same_to_classifier,
    synonym_key,
)
from nlp.training_data.problems import FEWEST_EXAMPLES
from nlp.training_data.reading import (
    check_training_data,
    load_examples,
    load_task,
    load_training_data,
    read_task,
    read_training_data,
    task_names,
)
from nlp.training_data.splitting import deduplicate, split
from nlp.training_data.writing import Appended, Refused, append_examples

__all__ = [
    "FEWEST_EXAMPLES",
    "OUT_OF_SCOPE",
    "Appended",
    "EntityMark",
    "Example",
    "Refused",
    "TrainingData",
    "append_examples",
    "check_training_data",
    "deduplicate",
    "load_examples",
    "load_task",
    "load_training_data",
    "read_task",
    "read_training_data",
    "same_text",
    "same_to_classifier",
    "split",
    "synonym_key",
    "task_names",
]
