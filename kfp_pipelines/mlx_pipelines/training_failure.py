"""What to do about errors of scikit-learn that come from the data or the spec, where its own words do not say so.

Enters: a failed step, the data's file and the model's features. Leaves: the same failure with a hint, or as it was.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from mlx_pipelines.errors import StepFailed
from mlx_specs.class_weight import HINT


def explained(failed: StepFailed, data: Path, features: Sequence[str]) -> StepFailed:
    """The failure, with a hint of ours where there is one."""
    hints = (hint(data, features) for text, hint in HINTS.items() if text in failed.message)
    found = next(filter(None, hints), None)
    return StepFailed(failed.step, failed.message, log=failed.log, hint=found) if found else failed


def _missing_texts(data: Path, features: Sequence[str]) -> str | None:
    """A vectoriser of texts stops at a null, which a frame shows as NaN."""
    import pyarrow.parquet as parquet
    import pyarrow.types

    rows = parquet.ParquetFile(data).read(columns=list(features))
    texts = [name for name in rows.column_names if pyarrow.types.is_string(rows.column(name).type) and rows.column(name).null_count]
    if not texts:
        return None
    counts = ", ".join(f"{name} ({rows.column(name).null_count} of {rows.num_rows} rows)" for name in texts)
    step = f'missing: {{columns: [{", ".join(texts)}], strategy: constant, value: ""}}'
    return f"these texts have nulls: {counts}; fill them in the Dataset's prepare, `- {step}`, or reject the rows (strategy: reject)"


def _label_weights(data: Path, features: Sequence[str]) -> str | None:
    return HINT


HINTS: dict[str, Callable[[Path, Sequence[str]], str | None]] = {
    "np.nan is an invalid document": _missing_texts,
    "'float' object has no attribute": _missing_texts,
    "expected string or bytes-like object": _missing_texts,
    "are not in class_weight": _label_weights,
}
"""What scikit-learn, or a tokenizer given to it, says."""
