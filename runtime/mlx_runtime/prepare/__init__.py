"""Datasets: rows read from files or databases, prepared by ordered steps in DuckDB, checked, kept as Parquet by content.

A ``PreparedDatasetInputs`` and a workspace enter; HOME/datasets/NAME/CONTENT_DIGEST/ with data.parquet, rejected.parquet and
manifest.json leaves, and ``PreparedDatasetOutputs`` that point to it. Nothing is ever dropped silently: a row that leaves the
table is in rejected.parquet with its step and reason.

The content digest is the sha256 of the logical rows in one canonical order, not of Parquet bytes, so that it is equal on any
machine, with any number of threads and any order of the input. For the same reason the steps run on one thread (a sum of
floats depends on the order of its parts); reading, sorting and writing use all of them.
"""
