"""KServe's own Python client against the model server: only it can say whether the protocol is the one it speaks."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_flights import Packaged, as_rows, flights

from mlx_runtime.columns import to_frame
from mlx_runtime.server.lifecycle import Running

ROWS = flights(4, seed=11)
DATATYPES: dict[str, tuple[str, Any]] = {
    "distance": ("FP64", np.float64),
    "hour": ("INT64", np.int64),
    "refundable": ("BOOL", np.bool_),
    "booked": ("BYTES", np.object_),
    "carrier": ("BYTES", np.object_),
}


@pytest.fixture(scope="module")
def server(serve: Any, models: Callable[[str], Packaged], workspace: Path) -> Running:
    return serve("delay-api", models("boosting").version("3", workspace))[1]


def whole_rows() -> dict[str, list[Any]]:
    """KServe's numpy tensors know no null: NaN and a string instead."""
    rows = as_rows(ROWS)
    return rows | {"distance": [100.0 if value is None else value for value in rows["distance"]], "carrier": [value or "UA" for value in rows["carrier"]]}


def expected(packed: Packaged, rows: dict[str, list[Any]]) -> list[bool]:
    import pyarrow

    table = ROWS.set_column(0, "distance", pyarrow.array(rows["distance"])).set_column(4, "carrier", pyarrow.array(rows["carrier"]))
    return packed.estimator.predict(to_frame(table)).tolist()


@pytest.mark.parametrize("binary", [True, False])
def test_v2_by_the_client_with_binary_and_with_json_tensors(server: Running, models: Callable[[str], Packaged], binary: bool) -> None:
    from kserve import InferenceRESTClient, InferInput, InferRequest
    from kserve.inference_client import RESTConfig

    rows = whole_rows()
    inputs = []
    for name, values in rows.items():
        datatype, dtype = DATATYPES[name]
        tensor = InferInput(name, [len(values)], datatype)
        tensor.set_data_from_numpy(np.array(values, dtype=dtype), binary_data=binary)
        inputs.append(tensor)

    async def session() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
        assert await client.is_server_live(server.url)
        assert await client.is_server_ready(server.url)
        assert await client.is_model_ready(server.url, "delay-api")
        return await client.infer(server.url, InferRequest(model_name="delay-api", infer_inputs=inputs), model_name="delay-api")

    answer = asyncio.run(session())
    assert answer.model_name == "delay-api"
    assert answer.outputs[0].name == "label"
    assert np.asarray(answer.outputs[0].as_numpy()).tolist() == expected(models("boosting"), rows)


def test_v1_by_the_client(server: Running, models: Callable[[str], Packaged]) -> None:
    from kserve import InferenceRESTClient
    from kserve.inference_client import RESTConfig

    rows = whole_rows()
    instances = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]

    async def session() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
        assert await client.is_server_live(server.url)
        assert await client.is_model_ready(server.url, "delay-api")
        return await client.infer(server.url, {"instances": instances}, model_name="delay-api")

    answer = asyncio.run(session())
    assert [item["label"] for item in answer["predictions"]] == expected(models("boosting"), rows)


def test_the_clients_errors_carry_the_servers_words(server: Running) -> None:
    from kserve import InferenceRESTClient
    from kserve.inference_client import RESTConfig

    async def session() -> Any:
        return await InferenceRESTClient(RESTConfig(protocol="v1", retries=0)).infer(server.url, {"instances": [{"hour": 9}]}, model_name="delay-api")

    with pytest.raises(Exception, match="400"):
        asyncio.run(session())
