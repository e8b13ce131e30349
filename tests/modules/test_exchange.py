"""A state_dict goes to PyTorch and back through safetensors: names, order, shapes, dtypes, bytes and predictions.

exchange.safetensors is written by PyTorch (tests/data/make_exchange.py). The way from here to PyTorch itself is checked
by tests/data/check_exchange.py, which needs PyTorch; here it is that our file holds exactly what PyTorch's holds.
"""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tests.data.exchange_models import models
from tinytorch import nn

FILE = Path(__file__).parent.parent / "data" / "exchange.safetensors"
NAMES = list(models(nn))


def contents(path: Path) -> tuple[dict, dict[str, tuple[str, list, bytes]]]:
    """Return (metadata, name -> (dtype, shape, bytes)) of a safetensors file, read by its specification."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    body, metadata = raw[8 + length :], header.pop("__metadata__", {})
    return metadata, {
        name: (row["dtype"], row["shape"], body[slice(*row["data_offsets"])]) for name, row in header.items()
    }


METADATA, FROZEN = contents(FILE)
KEYS = json.loads(METADATA["keys"])
ARRAYS = tinytorch.load(FILE)


def state_of(name: str) -> dict:
    return {key: ARRAYS[f"{name}:{key}"] for key in KEYS[name]}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_pytorch_predicts_the_same_here(name: str) -> None:
    model, _ = models(nn)[name]
    assert list(model.state_dict()) == KEYS[name], "names and order of the state_dict"
    missing, unexpected = model.load_state_dict(state_of(name))
    assert missing == unexpected == []
    with tinytorch.no_grad():
        found = model.eval()(ARRAYS[f"{name}>input"])
    assert np.abs(found.numpy() - ARRAYS[f"{name}>output"].numpy()).max() < 2e-6


@pytest.mark.parametrize("name", NAMES)
def test_our_file_holds_what_pytorchs_holds(name: str, tmp_path: Path) -> None:
    model, _ = models(nn)[name]
    model.load_state_dict(state_of(name))
    tinytorch.save(model.state_dict(), tmp_path / "model.safetensors")
    _, found = contents(tmp_path / "model.safetensors")
    expected = {key: FROZEN[f"{name}:{key}"] for key in KEYS[name]}
    assert set(found) == set(expected)
    for key, row in expected.items():
        assert found[key] == row, f"{key}: expected {row[:2]}, found {found[key][:2]}, or other bytes"


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back_changes_no_bit(name: str, tmp_path: Path) -> None:
    model, _ = models(nn)[name]
    twin, _ = models(nn)[name]
    x = ARRAYS[f"{name}>input"]
    tinytorch.save(model.state_dict(), tmp_path / "model.safetensors")
    twin.load_state_dict(tinytorch.load(tmp_path / "model.safetensors"))
    with tinytorch.no_grad():
        assert twin.eval()(x).equal(model.eval()(x))


@pytest.mark.parametrize(("convert", "dtype"), [("half", "F16"), ("float", "F32"), ("double", "F64")])
def test_dtypes_of_a_file(convert: str, dtype: str, tmp_path: Path) -> None:
    model, _ = models(nn)["cnn"]
    getattr(model, convert)()
    tinytorch.save(model.state_dict(), tmp_path / "model.safetensors")
    _, found = contents(tmp_path / "model.safetensors")
    assert {row[0] for key, row in found.items() if "num_batches" not in key} == {dtype}
    assert found["1.num_batches_tracked"][:2] == ("I64", [])
    assert tinytorch.load(tmp_path / "model.safetensors")["0.weight"].dtype == model[0].weight.dtype


def test_a_transposed_weight_is_written_in_the_order_of_its_shape(tmp_path: Path) -> None:
    weight = tinytorch.arange(6).reshape(2, 3).T
    tinytorch.save({"weight": weight}, tmp_path / "model.safetensors")
    _, found = contents(tmp_path / "model.safetensors")
    assert found["weight"] == ("I64", [3, 2], np.array([[0, 3], [1, 4], [2, 5]]).tobytes())
