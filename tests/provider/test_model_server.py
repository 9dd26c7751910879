"""What changes a model server: a server that an older version started is not touched for inputs that it knew nothing of."""

from pathlib import Path

from mlx_provider.model_server import ModelServer
from mlx_specs.inference_resources import ModelServerInputs
from mlx_specs.resources import Version


def test_an_input_that_came_later_is_no_change_at_its_default(tmp_path: Path) -> None:
    now = ModelServerInputs(name="api", home=".mlx/local", model="delay", alias="champion", version=Version()).wire()
    before = {name: value for name, value in now.items() if name != "log"}
    server = ModelServer()
    assert server.diff(before, before, now, tmp_path).changed == ("pid",)  # nothing runs here
    assert server.diff(before, before, {**now, "log": True}, tmp_path).changed == ("log", "pid")
