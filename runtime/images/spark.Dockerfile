# mlx-spark: Spark applications. Context: the repository's root.
FROM apache/spark:4.0.0-scala2.13-java21-ubuntu AS spark

# Spark's own resolver brings its Kafka connector, before it starts a program: this one prints a version. What Spark has already is left.
FROM spark AS connector
COPY tools/spark-kafka/jars.sha256 /tmp/pinned/
RUN /opt/spark/bin/spark-submit --conf spark.jars.ivy=/tmp/ivy --packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.0.0 \
      --class org.apache.hadoop.util.VersionInfo spark-internal \
 && mkdir /tmp/jars \
 && cd /tmp/jars \
 && while read -r digest jar; do cp /tmp/ivy/cache/*/*/*/"$jar" .; done < /tmp/pinned/jars.sha256 \
 && sha256sum --check --strict /tmp/pinned/jars.sha256

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements/local.txt runtime/images/build.txt runtime/images/buckets.txt runtime/images/stores.txt /build/
# Two of the packages come as source only: without isolation they are built by what is locked here, not by what is the latest.
RUN /opt/venv/bin/pip install --require-hashes -r /build/build.txt \
 && /opt/venv/bin/pip install --require-hashes --no-build-isolation -r /build/local.txt -r /build/buckets.txt -r /build/stores.txt \
 && /opt/venv/bin/pip uninstall --yes setuptools pip
COPY specs/mlx_specs /opt/venv/lib/python3.11/site-packages/mlx_specs
COPY feature_repo/mlx_features /opt/venv/lib/python3.11/site-packages/mlx_features
COPY runtime/mlx_runtime /opt/venv/lib/python3.11/site-packages/mlx_runtime
# The root file system is read-only: what is not compiled here is compiled at every start.
RUN cd /opt/venv/lib/python3.11/site-packages && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash mlx_specs mlx_features mlx_runtime

# Python of the other images rather than Ubuntu's, which is older than what we support; Java and Spark run on Debian as they are.
FROM python:3.11.14-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends procps tini \
 && rm -rf /var/lib/apt/lists/* \
 && python -m pip uninstall --yes wheel setuptools pip \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin mlx
COPY --from=spark /opt/java/openjdk /opt/java/openjdk
COPY --from=spark /opt/spark /opt/spark
COPY --from=connector /tmp/jars/ /opt/spark/jars/
COPY --from=spark /opt/entrypoint.sh /opt/decom.sh /opt/
COPY --from=build /opt/venv /opt/venv
COPY runtime/images/spark.py /opt/mlx/spark.py
ENV JAVA_HOME=/opt/java/openjdk SPARK_HOME=/opt/spark PYSPARK_PYTHON=/opt/venv/bin/python PYSPARK_DRIVER_PYTHON=/opt/venv/bin/python
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1 MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
WORKDIR /tmp
ENTRYPOINT ["/opt/entrypoint.sh"]
USER 10001:10001
