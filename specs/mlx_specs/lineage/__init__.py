"""Column lineage: what columns each dataset has, where each comes from and when it is known; nothing is executed.

A graph enters, a ``Lineage`` leaves: columns of every dataset, and problems with the step and the place in its SQL.

What taints a column, that is, makes it known later: the columns of its expression; the condition of the join that brought
it in; for an aggregate or a window also the columns of where and group by, because they decide what is counted. What does
not: where, having, qualify and ``reject`` decide which rows there are (``DatasetLineage.selected_by``), not their values:
leaving out cancelled flights is no leak of ``arr_delay``.

An ``availableAt`` that a derived dataset declares is believed where the value is made of other rows (group by, lag, a window
whose frame ends before the row itself), and refused where it would hide that the row's own value is known later.
"""

from mlx_specs.lineage.columns import DatasetLineage, Lineage, LineageColumn, Problem
from mlx_specs.lineage.dataset import dataset_columns, lineage_of

__all__ = ["DatasetLineage", "Lineage", "LineageColumn", "Problem", "dataset_columns", "lineage_of"]
