"""Classic training scripts run unchanged but for their import line: PyTorch's losses, frozen, are reached step by step.

Same initial weights, same data, 50 steps. In float64 the curves agree to the last digits; in float32 they drift apart
by rounding, which differs between any two builds of either library. State dicts go from PyTorch to us and back.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import tinytorch
from tests.scripts.library import NAMES, on

DATA = Path(__file__).parents[1] / "data"
FROZEN = dict(np.load(DATA / "scripts.npz"))
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}  # of the largest loss; measured: 7e-16 and 3e-7


@functools.cache
def weights_from_pytorch() -> dict[str, dict[str, tinytorch.Tensor]]:
    """The state dict of each script's model, as PyTorch has written it."""
    states: dict[str, dict[str, tinytorch.Tensor]] = {}
    for key, tensor in tinytorch.load(DATA / "scripts.safetensors").items():
        script, _, name = key.partition("/")
        states.setdefault(script, {})[name] = tensor
    return states


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", NAMES)
def test_losses_are_those_of_pytorch(name: str, dtype: str) -> None:
    expected = FROZEN[f"{name}/{dtype}"]
    losses, _ = on("tinytorch", name).train(dtype, steps=len(expected))
    apart = np.abs(np.array(losses) - expected) / np.abs(expected).max()
    step = int(np.argmax(apart > TOLERANCE[dtype]))
    assert apart.max() <= TOLERANCE[dtype], f"{name}, {dtype}: step {step}: {losses[step]}, PyTorch {expected[step]}"
    assert np.mean(expected[-5:]) < np.mean(expected[:5]) or name in ("gan", "reinforce"), f"{name} learns nothing"


@pytest.mark.parametrize("name", NAMES)
def test_weights_from_pytorch_predict_as_in_pytorch(name: str) -> None:
    script = on("tinytorch", name)
    model = script.build()
    model.load_state_dict(weights_from_pytorch()[name], strict=True)
    predicted, expected = script.predict(model.eval(), "float32").detach().numpy(), FROZEN[f"{name}/prediction"]
    assert predicted.shape == expected.shape
    assert np.abs(predicted - expected).max() <= 2e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", NAMES)
def test_weights_go_back_to_pytorch_unchanged(name: str, tmp_path: Path) -> None:
    state = weights_from_pytorch()[name]
    model = on("tinytorch", name).build()
    model.load_state_dict(state)
    tinytorch.save(model.state_dict(), tmp_path / "back.safetensors")
    written = safetensors.numpy.load_file(tmp_path / "back.safetensors")
    assert written.keys() == state.keys()
    for key, tensor in state.items():
        assert written[key].dtype == tensor.dtype and written[key].shape == tuple(tensor.shape), key
        np.testing.assert_array_equal(written[key], tensor.numpy(), err_msg=key)
