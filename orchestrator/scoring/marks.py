"""Columns that mark scores outside the range of the training scores, and inputs unlike the training's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

OUT_OF_RANGE = "out_of_range"
UNLIKE = {"image": "image_unlike_training", "prompt": "prompt_unlike_training"}
"""Kind of input → its column."""


def range_column(target: str) -> str:
    """Return the name of the column that marks a target's scores outside the range of its training scores.

    Example:
        >>> range_column("alignment")
        'alignment_out_of_range'
    """
    return f"{target}_{OUT_OF_RANGE}"


def mark_columns(targets: Iterable[str]) -> list[str]:
    """Return the names of all mark columns, in their order; a table has those that its model has data for.

    Example:
        >>> mark_columns(["quality"])
        ['quality_out_of_range', 'image_unlike_training', 'prompt_unlike_training']
    """
    return [*map(range_column, targets), *UNLIKE.values()]


def out_of_range(scores: NDArray[np.float32], quantiles: Sequence[float]) -> NDArray[np.bool_]:
    """Return whether each score (n,) is below the smallest or above the largest training score; False if it is NaN.

    Args:
        scores: (n,) in MOS units.
        quantiles: ascending, from the smallest to the largest training score.

    Example:
        >>> import numpy as np
        >>> out_of_range(np.array([-2.2, 0, 4, 5.1], np.float32), [0.0, 2.5, 5.0]).tolist()
        [True, False, False, True]
    """
    import numpy as np

    # As float32, which scores are: a score equal to the largest training score is not above it.
    smallest, largest = np.float32(quantiles[0]), np.float32(quantiles[-1])
    return (scores < smallest) | (scores > largest)


def add_marks(
    table: pd.DataFrame, marks: Mapping[str, NDArray[np.bool_]], scored: Sequence[bool] | NDArray[np.bool_]
) -> pd.DataFrame:
    """Append a nullable boolean column for each mark; rows without scores have no marks.

    Example:
        >>> import numpy as np, pandas as pd
        >>> marks = {"image_unlike_training": np.array([True, False])}
        >>> add_marks(pd.DataFrame({"image": ["a", "b"]}), marks, [True, False])["image_unlike_training"].tolist()
        [True, <NA>]
    """
    import pandas as pd

    for column, marked in marks.items():
        table[column] = pd.array(marked, dtype="boolean")
        table.loc[~pd.Series(scored, index=table.index, dtype=bool), column] = pd.NA
    return table
