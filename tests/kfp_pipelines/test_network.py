"""torch modules as algorithms: fitted, killed and resumed, packaged as ONNX, refused in words. A small network on small data, on the CPU."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

pytest.importorskip("torch", reason="networks need the extra torch")

from mlx_pipelines.algorithm import make_estimator
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.process import environment, gpus_here
from mlx_pipelines.rows import feature_frame, labels
from mlx_runtime.columns import to_frame
from mlx_runtime.package import package
from mlx_runtime.scorer import load

from .conftest import flights

FEATURES = ["wind", "carrier", "weekday"]
REPOSITORY = Path(__file__).parents[2]
NETWORK = "flight_network.FlightNetwork"
PARAMETERS = "look at the model's parameters"
OPTIMIZER = "optimizer is a class of torch.optim, such as AdamW or SGD"
SMALL = {"hidden": 8, "embedding": 3, "epochs": 4, "batch_size": 64, "learning_rate": 0.02}


@pytest.fixture(autouse=True)
def flight_network() -> Iterator[None]:
    sys.path.append(str(REPOSITORY / "kfp_pipelines"))
    yield
    sys.path.remove(str(REPOSITORY / "kfp_pipelines"))


def fitted(parameters: dict[str, Any], task: str = "classification", target: str = "late", folder: Path | None = None, report: Any = None) -> Any:
    rows = flights(300)
    frame = feature_frame(rows, FEATURES)
    made = make_estimator(NETWORK, parameters, 3, task, frame)
    return made.watch(folder, report or (lambda line: None)).fit(frame, labels(rows, target, task))


def weights(estimator: Any) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in estimator.network_.state_dict().items()}


def test_a_network_learns_classes_and_numbers_from_columns_with_gaps() -> None:
    frame = feature_frame(flights(300, seed=8), FEATURES)
    truth = labels(flights(300, seed=8), "late", "classification")
    classes = fitted({**SMALL, "epochs": 12})
    assert classes.score(frame, truth) > 0.8
    assert classes.predict_proba(frame).sum(axis=1) == pytest.approx(np.ones(300), abs=1e-5)
    numbers = fitted({**SMALL, "epochs": 12}, "regression", "minutes")
    assert numbers.score(frame, labels(flights(300, seed=8), "minutes", "regression")) > 0.5
    assert not hasattr(numbers, "predict_proba")


def test_the_same_seed_gives_the_same_bits_and_every_epoch_is_told(tmp_path: Path) -> None:
    lines: list[str] = []
    first, second = fitted(SMALL, folder=tmp_path, report=lines.append), fitted(SMALL)
    assert weights(first) == weights(second)
    told = json.loads((tmp_path / "epochs.json").read_text())
    assert [line.partition(":")[0] for line in lines] == [f"epoch {epoch}/4 on cpu" for epoch in range(1, 5)]
    assert [epoch["epoch"] for epoch in told] == [1, 2, 3, 4]
    assert told[-1]["loss"] < told[0]["loss"]


def test_patience_stops_early_and_keeps_the_best_weights(tmp_path: Path) -> None:
    made = fitted({**SMALL, "epochs": 60, "learning_rate": 0.2, "patience": 2}, folder=tmp_path)
    told = json.loads((tmp_path / "epochs.json").read_text())
    losses = [epoch["validation_loss"] for epoch in told]
    assert len(told) < 60
    assert len(told) - 1 - losses.index(min(losses)) == 3
    again = fitted({**SMALL, "epochs": losses.index(min(losses)) + 1, "learning_rate": 0.2, "patience": 2})
    assert weights(made) == weights(again)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
sys.path.append(sys.argv[2] + "/kfp_pipelines")
from tests.kfp_pipelines.test_network import SMALL, fitted

def kill_after_two(line):
    if line.startswith("epoch 2/"):
        os.kill(os.getpid(), signal.SIGKILL)

fitted({**SMALL, "patience": 3}, folder=Path(sys.argv[1]), report=kill_after_two)
"""


def test_a_training_that_was_killed_goes_on_after_its_checkpoint_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(REPOSITORY)], env=environment(tmp_path), capture_output=True, text=True)
    assert (killed.returncode, [path.name for path in sorted(tmp_path.iterdir())]) == (-9, ["checkpoint.pt", "epochs.json"]), killed.stderr
    (tmp_path / "checkpoint.pt.part").write_bytes(b"what a kill leaves in the middle of a write")
    lines: list[str] = []
    resumed = fitted({**SMALL, "patience": 3}, folder=tmp_path, report=lines.append)
    assert lines[0] == "epoch 2 of 4 was the last before the interruption: it goes on from its checkpoint"
    assert [line.partition(" on ")[0] for line in lines[1:]] == ["epoch 3/4", "epoch 4/4"]
    assert weights(resumed) == weights(fitted({**SMALL, "patience": 3}))


def packaged(estimator: Any, target: str, task: str, folder: Path) -> Any:
    rows = flights(200, seed=4)
    digest = package(
        estimator=estimator, data=rows.select(FEATURES), labels=labels(rows, target, task).tolist(), model="delay", fingerprint="f", task=task, target=target,
        format="auto", folder=folder, metrics={},
    )  # fmt: skip
    return load(folder, digest)


@pytest.mark.parametrize(("task", "target"), [("classification", "late"), ("regression", "minutes"), ("classification", "carrier")])
def test_a_network_is_packaged_as_onnx_and_predicts_the_same_for_gaps_and_what_was_never_seen(task: str, target: str, tmp_path: Path) -> None:
    estimator = fitted(SMALL, task, target) if target != "carrier" else of_carriers()
    scorer = packaged(estimator, target, task, tmp_path / "artifact") if target != "carrier" else packaged_carriers(estimator, tmp_path / "artifact")
    assert (scorer.model.engine, scorer.model.reason) == ("onnx", "")
    columns = [tensor.name for tensor in scorer.model.inputs]
    unseen = flights(50, seed=6).select(columns)
    if "carrier" in columns:
        unseen = unseen.set_column(columns.index("carrier"), "carrier", pyarrow.array(["never seen", None] * 25))
    predicted = scorer.score_table(unseen)
    if task == "regression":
        np.testing.assert_allclose(predicted["prediction"].to_numpy(), estimator.predict(to_frame(unseen)), rtol=1e-5)
        return
    assert predicted["label"].to_pylist() == estimator.predict(to_frame(unseen)).tolist()
    shares = np.column_stack([predicted.column(place).to_numpy() for place in range(1, predicted.num_columns)])
    np.testing.assert_allclose(shares, estimator.predict_proba(to_frame(unseen)), atol=1e-5)


def known_carriers(rows: pyarrow.Table) -> pyarrow.Table:
    return rows.filter(rows["carrier"].is_valid())


def of_carriers() -> Any:
    """Three classes with names, and no column of strings."""
    rows = known_carriers(flights(300))
    frame = feature_frame(rows, ["wind", "weekday"])
    return make_estimator(NETWORK, SMALL, 3, "classification", frame).fit(frame, labels(rows, "carrier", "classification"))


def packaged_carriers(estimator: Any, folder: Path) -> Any:
    rows = known_carriers(flights(200, seed=4))
    digest = package(
        estimator=estimator, data=rows.select(["wind", "weekday"]), labels=rows["carrier"].to_pylist(), model="delay", fingerprint="f", task="classification",
        target="carrier", format="auto", folder=folder, metrics={},
    )  # fmt: skip
    return load(folder, digest)


def test_a_module_that_does_not_export_keeps_its_own_format_with_the_reason(write_module: Callable[[str, str], Path], importable: None, tmp_path: Path) -> None:
    write_module(
        "odd_network",
        """
        import torch
        from torch import nn

        class Odd(nn.Module):
            def __init__(self, numbers, categories, outputs):
                super().__init__()
                self.layer = nn.Linear(numbers, outputs)

            def forward(self, numbers, codes):
                shift = float(numbers.sum().item()) * 1e-3 + torch.linalg.matrix_exp(torch.zeros(1, 1))[0, 0]
                return self.layer(numbers) * shift
        """,
    )
    rows = flights(300)
    frame = feature_frame(rows, FEATURES)
    estimator = make_estimator("odd_network:Odd", {"epochs": 1}, 3, "classification", frame).fit(frame, labels(rows, "late", "classification"))
    scorer = packaged(estimator, "late", "classification", tmp_path / "artifact")
    assert (scorer.model.engine, scorer.model.engine_file) == ("native", "model.pkl")
    assert scorer.model.reason.startswith("ONNX does not predict the same (")


def test_what_is_wrong_with_a_network_is_said_in_words(write_module: Callable[[str, str], Path], importable: None) -> None:
    write_module("bare_network", "from torch import nn\n\nclass Bare(nn.Module):\n    def __init__(self, width):\n        super().__init__()\n")
    frame = feature_frame(flights(50), FEATURES)
    wrong = [
        (NETWORK, {"hiden": 3}, "flight_network.FlightNetwork has no parameter 'hiden'", "did you mean 'hidden'?"),
        (NETWORK, {"epochs": 0}, "flight_network.FlightNetwork: epochs is a whole number from 1 on, not 0", PARAMETERS),
        (NETWORK, {"batch_size": True}, "flight_network.FlightNetwork: batch_size is a whole number from 1 on, not True", PARAMETERS),
        (NETWORK, {"patience": "soon"}, "flight_network.FlightNetwork: patience is a whole number from 0 on, or null, not 'soon'", PARAMETERS),
        (NETWORK, {"learning_rate": "fast"}, "flight_network.FlightNetwork: learning_rate is a number above 0, not 'fast'", PARAMETERS),
        (NETWORK, {"weight_decay": None}, "flight_network.FlightNetwork: weight_decay is a number from 0 on, not None", PARAMETERS),
        (NETWORK, {"optimizer": 3}, "flight_network.FlightNetwork: optimizer is the name of a class of torch.optim, not 3", PARAMETERS),
        (NETWORK, {"optimizer": "Adamm"}, "flight_network.FlightNetwork: torch.optim has no optimizer 'Adamm'", OPTIMIZER),
        (NETWORK, {"optimizer": "lr_scheduler"}, "flight_network.FlightNetwork: torch.optim has no optimizer 'lr_scheduler'", OPTIMIZER),
        (NETWORK, {"optimizer": "LBFGS"}, "flight_network.FlightNetwork: torch.optim.LBFGS takes no weight_decay", "take another one, such as AdamW or SGD"),
        (
            "bare_network.Bare", {}, "bare_network.Bare does not take categories, numbers, outputs: a network is made of the data's columns",
            "give it __init__(self, numbers: int, categories: list[int], outputs: int, ...)",
        ),
    ]  # fmt: skip
    for algorithm, parameters, message, hint in wrong:
        with pytest.raises(PipelineError) as caught:
            make_estimator(algorithm, parameters, 3, "classification", frame)
        assert (str(caught.value), caught.value.hint) == (message, hint)


def test_a_loss_that_is_no_number_stops_the_training() -> None:
    with pytest.raises(PipelineError, match="the loss is not a number after epoch 1") as caught:
        fitted({**SMALL, "optimizer": "SGD", "learning_rate": 1e30})
    assert caught.value.hint.startswith("a smaller learning_rate")


def test_a_gpu_that_is_demanded_must_be_there_and_must_be_used() -> None:
    program = (
        "import sys; sys.path.append(sys.argv[1]); from tests.kfp_pipelines.test_network import *\n"
        "try: fitted(SMALL) if sys.argv[2] == 'network' else make_estimator('sklearn.linear_model.Ridge', {}, 3, 'regression', None)\n"
        "except PipelineError as error: print(error)"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n{program}", str(REPOSITORY / "kfp_pipelines")]
    told = [subprocess.run([*command, what], env=environment(REPOSITORY, gpus=1), capture_output=True, text=True).stdout for what in ("network", "ridge")]
    assert told[1] == "compute.gpu asks for 1, and sklearn.linear_model.Ridge uses none\n"
    assert told[0].startswith("" if gpus_here() else "compute.gpu asks for 1: ")


def test_a_fitted_network_is_pickled_without_its_folder(tmp_path: Path) -> None:
    estimator = fitted(SMALL, folder=tmp_path)
    again = pickle.loads(pickle.dumps(estimator))
    assert (again.folder, weights(again)) == (None, weights(estimator))


STEADY = {**SMALL, "dropout": 0.0, "patience": 3}
"""What dropout draws is of each process's own rows."""
TOGETHER = """
import sys
sys.path[:0] = sys.argv[2:]
from kfp_pipelines.test_network import STEADY, fitted
import pathlib, pickle, os
folder = pathlib.Path(sys.argv[1], os.environ["RANK"])
made = fitted(STEADY, folder=folder)
pathlib.Path(sys.argv[1], os.environ["RANK"] + ".pickle").write_bytes(pickle.dumps({name: value.numpy() for name, value in made.network_.state_dict().items()}))
"""


def test_two_processes_that_share_each_batch_train_the_network_that_one_would_have(tmp_path: Path) -> None:
    """The second begins with a checkpoint of its own that the first does not have: the first one's holds."""
    alone = {name: value.numpy() for name, value in fitted(STEADY).network_.state_dict().items()}
    fitted({**STEADY, "epochs": 2}, folder=tmp_path / "1")
    (tmp_path / "together.py").write_text(TOGETHER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(tmp_path / "together.py"), str(tmp_path)]
    told = {**environment(tmp_path, 1), "MLX_SHARED": "1"}
    paths = [str(REPOSITORY / "tests"), str(REPOSITORY / "kfp_pipelines")]
    done = subprocess.run([*command, *paths], env=told, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    first, second = (pickle.loads((tmp_path / f"{rank}.pickle").read_bytes()) for rank in (0, 1))
    for name, value in alone.items():
        assert np.array_equal(first[name], second[name]), name
        assert first[name] == pytest.approx(value, abs=1e-5), name
