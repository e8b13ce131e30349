"""What the graph of the reference CNN keeps for the backward pass: every byte, named."""

import numpy as np
import pytest

import tinytorch
from tinytorch import nn, tensor
from tinytorch.core.engine import Watcher, overlay
from tinytorch.given.graph import saved_bytes
from tinytorch.models import SmallCNN
from tinytorch.nn import functional as F

BATCH, FLOAT, INT = 128, 4, 8


class OneByOne(Watcher):
    """Asks that nothing be fused."""

    single_operations = True

    def after(self, *seen):
        """Look away."""


def expected_bytes(batch: int, fused: bool) -> dict[str, int]:
    """Bytes by what is kept, once each.

    Nothing is kept twice: what a layer saves as output the next one saves as input. A fused block keeps batch norm's
    inputs and what it gives.
    """
    kept = {"images: conv1 needs them for the gradient of its weight": batch * 3 * 32 * 32 * FLOAT}
    inner, size = 3, 32
    for i, outer in enumerate((32, 64, 128), 1):
        pixels = batch * outer * size * size * FLOAT
        kept |= {
            f"conv{i}: weight": outer * inner * 9 * FLOAT,
            f"conv{i}'s output: batch norm's input": pixels,
            f"batch norm {i}: weight, mean, variance": 3 * outer * FLOAT,
        }
        if fused:
            kept |= {f"batch norm {i}: bias": outer * FLOAT}
        else:
            kept |= {f"ReLU {i}'s output: its own rule's, and max pool's input": pixels}
        kept |= {f"max pool {i}'s output: its own rule's, and the next layer's input": pixels // 4}
        inner, size = outer, size // 2
    return kept | {
        "flatten's copy of pool 3: channels-last memory in (N, C·H·W) order, the classifier's input": (
            batch * 2048 * FLOAT
        ),
        "classifier: weight": 10 * 2048 * FLOAT,
        "loss: logits, logsumexp, targets": batch * (10 * FLOAT + FLOAT + INT),
    }


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("batch", [BATCH, 5])
def test_reference_cnn_keeps_exactly_this(batch, fused):
    rng = np.random.default_rng(0)
    images = tensor(rng.normal(size=(batch, 3, 32, 32)), dtype="float32")
    with overlay(**({} if fused else {"single": OneByOne()})):
        loss = F.cross_entropy(SmallCNN()(images), tensor(rng.integers(0, 10, batch)))
    assert saved_bytes(loss) == sum(expected_bytes(batch, fused).values())


def test_inference_keeps_nothing():
    with tinytorch.no_grad():
        out = SmallCNN()(tinytorch.zeros(2, 3, 32, 32))
    assert out.grad_fn is None


def test_frozen_layers_keep_nothing():
    layer = nn.Linear(4, 4).requires_grad_(False)
    assert layer(tinytorch.zeros(2, 4)).grad_fn is None


def test_values_are_released_by_the_walk():
    x = tensor(np.ones((64, 64)), requires_grad=True)
    y = (x.exp() * x).sum()
    assert saved_bytes(y) == 2 * 64 * 64 * 8
    y.backward()
    assert saved_bytes(y) == 0
