"""Vectorisers of text as ONNX: which columns are put into lower case before the graph, and what a word is.

ONNX's own lower case needs a locale that other machines may lack, and without one knows ASCII only. So the graph's vectorisers keep
the case, and whoever feeds the graph lowers the text as Python does.
"""

from collections.abc import Iterator
from typing import Any

from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from mlx_runtime.packaging.errors import ConversionError

VECTORISERS = (CountVectorizer, TfidfVectorizer)
PYTHON_WORDS = r"(?u)\b\w\w+\b"
RE2_WORDS = r"[\p{L}\p{N}_]{2,}"
"""The same in the syntax of ONNX Runtime's tokenizer: letters and digits of every script."""


def lowered_columns(estimator: Any) -> frozenset[str]:
    """The columns whose text is lowered before it is counted; ``ConversionError`` where something else reads such a column as it is."""
    readers = [(column, any(_lowers(part) for part in _parts(inner))) for inner, columns in _choices(estimator) for column in columns]
    lowered, as_it_is = ({column for column, lowers in readers if lowers is which} for which in (True, False))
    if both := sorted(lowered & as_it_is):
        raise ConversionError(f"column '{both[0]}' is read in lower case and as it is")
    return frozenset(lowered)


def keep_case(part: Any) -> None:
    """What is done before the graph is not done within it. Stop words are in no vocabulary of single words, so nothing has to remove them."""
    if not isinstance(part, VECTORISERS):
        return
    if part.preprocessor is not None:
        raise ConversionError(f"{type(part).__name__}(preprocessor=...)")
    part.lowercase = False
    if part.ngram_range == (1, 1):
        part.stop_words = None


def options_of(parts: list[Any]) -> dict[Any, dict[str, Any]]:
    """What skl2onnx is told of each vectoriser."""
    return {id(part): _options(part) for part in parts if isinstance(part, VECTORISERS)}


def _options(part: Any) -> dict[str, Any]:
    words = {"tokenexp": RE2_WORDS} if part.analyzer == "word" and part.token_pattern == PYTHON_WORDS else {}
    return {**words, "locale": "C"}


def _lowers(part: Any) -> bool:
    return isinstance(part, VECTORISERS) and bool(part.lowercase)


def _choices(estimator: Any) -> Iterator[tuple[Any, list[str]]]:
    """Each transformer of the first ColumnTransformer, with the columns that it reads."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[0][1]
    for _, transformer, columns in getattr(estimator, "transformers_", []):
        names = [columns] if isinstance(columns, str) else [column for column in columns if isinstance(column, str)]
        if not (isinstance(transformer, str) and transformer == "drop"):
            yield transformer, names


def _parts(estimator: Any) -> list[Any]:
    return [estimator, *(part for _, step in getattr(estimator, "steps", []) for part in _parts(step))]
