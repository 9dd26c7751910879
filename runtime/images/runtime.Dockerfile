# mlx-runtime: the model server, preparation, batch runs. Context: the repository's root.
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

FROM python:3.11.14-slim-bookworm
RUN python -m pip uninstall --yes wheel setuptools pip \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin mlx
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1 MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
WORKDIR /tmp
CMD ["python", "-m", "mlx_runtime.server.container", "--help"]
USER 10001:10001
