"""The feature store `flights` of specs/features.yaml as Feast's own objects: for `feast plan`, `feast apply` and `feast ui` in this folder."""

from mlx_features.definitions import objects_of_specs

globals().update(objects_of_specs("flights"))
