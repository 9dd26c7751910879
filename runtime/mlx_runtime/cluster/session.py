"""Spark, as every program of ours wants it."""

from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession


def spark_session(name: str, settings: Mapping[str, Any]) -> SparkSession:
    """One for this process, with a log that a person can read."""
    building = SparkSession.builder.appName(f"mlx-{name}")
    for key, value in {"spark.ui.showConsoleProgress": False, **settings}.items():
        building = building.config(key, value)
    spark = building.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    return spark
