"""No accepted field is ignored: a second value changes what the engine records and what can be seen of the running thing.

Every field of every kind is in exactly one of these: refused by a row of the table, deferred with its kind or mode, or seen to
work by a row here. A field in none of them fails the first test by name.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dataset_fields import CASES, Case, write_files, write_package
from deferred_fields import deferred_fields, first_object, new_value
from field_paths import FieldPath, changed_at, every_field, value_at
from model_fields import MODEL_CASES, SEEN_ELSEWHERE, ModelCase
from prepared import prepare
from refused_fields import Refusal, refusals, refused_paths, with_refused
from trials import Trial, made, objects_of, recorded

from mlx_specs.kinds import KINDS
from mlx_specs.support import TABLE

OBJECTS: dict[str, dict[str, Any]] = {}
