# mlx-notebook: JupyterLab with what the steps of pipelines have. Context: the repository's root.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements/local.txt runtime/images/build.txt runtime/images/buckets.txt runtime/images/stores.txt runtime/images/torch.txt runtime/images/notebook.txt /build/
# Two of the packages come as source only: without isolation they are built by what is locked here, not by what is the latest.
# Torch itself needs setuptools to compile kernels, so it stays.
RUN /opt/venv/bin/pip install --require-hashes -r /build/build.txt \
 && /opt/venv/bin/pip install --require-hashes --no-build-isolation -r /build/local.txt -r /build/buckets.txt -r /build/stores.txt -r /build/torch.txt -r /build/notebook.txt \
 && /opt/venv/bin/pip uninstall --yes pip
COPY specs/mlx_specs /opt/venv/lib/python3.11/site-packages/mlx_specs
COPY feature_repo/mlx_features /opt/venv/lib/python3.11/site-packages/mlx_features
COPY runtime/mlx_runtime /opt/venv/lib/python3.11/site-packages/mlx_runtime
COPY kfp_pipelines/mlx_pipelines /opt/venv/lib/python3.11/site-packages/mlx_pipelines
COPY engine/mlx_engine /opt/venv/lib/python3.11/site-packages/mlx_engine
COPY provider/mlx_provider /opt/venv/lib/python3.11/site-packages/mlx_provider
COPY provider/mlx_kubernetes /opt/venv/lib/python3.11/site-packages/mlx_kubernetes
COPY components/mlx_components /opt/venv/lib/python3.11/site-packages/mlx_components
COPY stacks/mlx_stacks /opt/venv/lib/python3.11/site-packages/mlx_stacks
# The root file system is read-only: what is not compiled here is compiled at every start.
RUN cd /opt/venv/lib/python3.11/site-packages \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash mlx_specs mlx_features mlx_runtime mlx_pipelines mlx_engine mlx_provider mlx_kubernetes mlx_components mlx_stacks

FROM python:3.11.14-slim-bookworm
RUN python -m pip uninstall --yes wheel setuptools pip \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin mlx
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1 MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
WORKDIR /tmp
CMD ["jupyter", "lab", "--help"]
USER 10001:10001
