"""Recurrent layers: RNN, LSTM, GRU over sequences. Names of parameters and order of gates are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import DTypeError, Primitive, ShapeError
from tinytorch.core.layers import Module, Parameter, dropout, linear
from tinytorch.core.tensor import Tensor, cat, empty, from_array, stack, zeros
from tinytorch.given.initialization import uniform_
from tinytorch.given.packed_sequences import PackedSequence, packed_like, padded_steps
from tinytorch.given.recurrent_kernels import GRU_SEQUENCE, LSTM_SEQUENCE, RNN_SEQUENCE
from tinytorch.given.settings import number, one_of, whole

#| face nn: RNN, LSTM, GRU


class Recurrent(Module):
    """What RNN, LSTM and GRU share: the parameters of layers and directions, and the walk over them.

    Parameters, for layer k: `weight_ih_l{k}` (gates · hidden, inputs), `weight_hh_l{k}` (gates · hidden, hidden), and
    with bias `bias_ih_l{k}`, `bias_hh_l{k}`; those of the direction from the end carry `_reverse` behind. All start
    uniform in ±1/√hidden. `run` hands the work to a primitive.
    """

    gates = 1
    states = ("h_0",)

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: Any = None,
    ):
        super().__init__()
        name = type(self).__name__
        self.input_size = whole(input_size, f"{name}'s input_size", low=1)
        self.hidden_size = whole(hidden_size, f"{name}'s hidden_size", low=1)
        self.num_layers = whole(num_layers, f"{name}'s num_layers", low=1)
        self.dropout = number(dropout, f"{name}'s dropout", 0, 1)
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        for layer, suffix in self.parts():
            features = self.input_size if layer == 0 else self.hidden_size * (1 + bool(bidirectional))
            rows = self.gates * self.hidden_size
            setattr(self, f"weight_ih{suffix}", Parameter(empty(rows, features)))
            setattr(self, f"weight_hh{suffix}", Parameter(empty(rows, self.hidden_size)))
            for kind in ("bias_ih", "bias_hh") if bias else ():
                setattr(self, f"{kind}{suffix}", Parameter(empty(rows)))
        self.to(dtype=dtype, device=device).reset_parameters()

    def parts(self) -> list[tuple[int, str]]:
        """Return (layer, suffix of its parameters' names) for each layer and direction, in order."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [(k, f"_l{k}{direction}") for k in range(self.num_layers) for direction in directions]

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform in ±1/√hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Return at once: the weights need not lie in one piece of memory here; PyTorch's scripts call this."""

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters, a list for each layer and direction."""
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if self.bias else ("weight_ih", "weight_hh")
        return [[getattr(self, kind + suffix) for kind in kinds] for _, suffix in self.parts()]

    def run(self, gates: Any, state: tuple, weight: Any, bias: Any, mask: Any) -> tuple[Any, tuple]:
        """Return (states (T, N, H), last state) of one layer in one direction, from its gates (T, N, G)."""
        raise NotImplementedError(f"{type(self).__name__}.run: written by RNN, LSTM and GRU.")

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return (output, last state).

        input: (T, N, features), batch_first (N, T, features), a single sequence (T, features), or a PackedSequence. hx:
        the first state, (layers · directions, N, hidden), zeros if None; for an LSTM the pair (h_0, c_0). output:
        (T, N, directions · hidden), in the layout of the input; the last state has the shape of hx.
        """
        packed = isinstance(input, PackedSequence)
        steps, mask = padded_steps(input) if packed else (self._steps(input), None)
        single = not packed and input.ndim == 2
        states = self._first_states(hx, steps, single)
        if packed and hx is not None and input.sorted_indices is not None:
            states = tuple(state[:, input.sorted_indices] for state in states)
        output, last = self._layers(steps, states, mask)
        if packed:
            if input.unsorted_indices is not None:
                last = tuple(state[:, input.unsorted_indices] for state in last)
            return packed_like(output, input), self._as_given(last)
        if single:
            return output.squeeze(1), self._as_given(tuple(state.squeeze(1) for state in last))
        return (output.transpose(0, 1) if self.batch_first else output), self._as_given(last)

    def _as_given(self, states: tuple) -> Any:
        return states[0] if len(self.states) == 1 else states

    def _steps(self, input: Any) -> Any:
        """Return the input as (T, N, features), checked."""
        name = type(self).__name__
        if not isinstance(input, Tensor):
            raise DTypeError(f"{name}: expected a Tensor or a PackedSequence, found {type(input).__name__}.")
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            layout = "(N, T, features)" if self.batch_first else "(T, N, features)"
            raise ShapeError(
                f"{name}: expected an input {layout} or (T, features) with {self.input_size} features, found shape "
                f"{input.shape}."
            )
        if input.dtype.kind != "f":
            raise DTypeError(f"{name}: expected a floating input, found {input.dtype}. Tokens need an Embedding first.")
        steps = input.unsqueeze(1) if input.ndim == 2 else input.transpose(0, 1) if self.batch_first else input
        if steps.shape[0] == 0:
            raise ShapeError(f"{name}: expected a sequence of at least one step, found shape {input.shape}.")
        return steps

    def _first_states(self, hx: Any, steps: Any, single: bool) -> tuple:
        """Return the first state of each kind, (layers · directions, N, hidden), zeros if none is given."""
        count, batch = len(self.parts()), steps.shape[1]
        if hx is None:
            return tuple(zeros(count, batch, self.hidden_size, dtype=steps.dtype) for _ in self.states)
        name, given = type(self).__name__, (hx,) if len(self.states) == 1 else hx
        if not isinstance(given, tuple | list) or [isinstance(h, Tensor) for h in given] != [True] * len(self.states):
            found = type(hx).__name__
            raise DTypeError(f"{name}: expected hx to be {' and '.join(self.states)}, tensors, found {found}.")
        expected = (count, self.hidden_size) if single else (count, batch, self.hidden_size)
        for kind, state in zip(self.states, given, strict=True):
            if state.shape != expected:
                raise ShapeError(f"{name}: expected {kind} of shape {expected}, found {state.shape}.")
        return tuple(state.unsqueeze(1) if single else state for state in given)

    def _layers(self, steps: Any, states: tuple, mask: Any) -> tuple[Any, tuple]:
        """Return the output of the last layer, and the last states of all layers and directions."""
        last: list[tuple] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                steps = dropout(steps, self.dropout, self.training)
            found = []
            for suffix in (s for k, s in self.parts() if k == layer):
                first = tuple(state[len(last)] for state in states)
                output, end = self._direction(steps, first, suffix, mask)
                found.append(output)
                last.append(end)
            steps = found[0] if len(found) == 1 else cat(found, 2)
        return steps, tuple(stack(list(kind)) for kind in zip(*last, strict=True))

    def _direction(self, steps: Any, first: tuple, suffix: str, mask: Any) -> tuple[Any, tuple]:
        """Run one layer in one direction; the one from the end sees its input turned round, and turns its output."""
        turned = suffix.endswith("_reverse")
        biases = [getattr(self, f"{kind}{suffix}") if self.bias else None for kind in ("bias_ih", "bias_hh")]
        gates = linear(steps[::-1] if turned else steps, getattr(self, f"weight_ih{suffix}"), biases[0])
        mask = from_array(mask[::-1].copy() if turned else mask) if mask is not None else None
        output, end = self.run(gates, first, getattr(self, f"weight_hh{suffix}"), biases[1], mask)
        return output[::-1] if turned else output, end

    def extra_repr(self) -> str:
        """Return sizes, and the settings that are not the usual ones."""
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        changed = [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])


def run_plain(
    sequence: Primitive, gates: Any, state: tuple, weight: Any, bias: Any, mask: Any, **settings: Any
) -> tuple:
    """Return (states, (last state,)) of a sequence whose only state is its output."""
    output = sequence(gates, state[0], weight, bias, mask, **settings)
    return output, (output[-1],)


class RNN(Recurrent):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu in place of tanh. Elman, 1990. See Recurrent."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)
        self.nonlinearity = one_of(nonlinearity, "RNN's nonlinearity", ("tanh", "relu"))

    def run(self, gates: Any, state: tuple, weight: Any, bias: Any, mask: Any) -> tuple[Any, tuple]:
        """Return (states, (h_n,))."""
        return run_plain(RNN_SEQUENCE, gates, state, weight, bias, mask, nonlinearity=self.nonlinearity)


class LSTM(Recurrent):
    """Long short-term memory: a cell that gates let in, out and forget. Gates: input, forget, cell, output.

    Called as lstm(input, (h_0, c_0)); returns (output, (h_n, c_n)). Hochreiter and Schmidhuber, 1997. See Recurrent.
    """

    gates = 4
    states = ("h_0", "c_0")

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None,
    ):
        if proj_size:
            raise NotImplementedError("LSTM: proj_size is not part of this course; put a Linear behind the layer.")
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)

    def run(self, gates: Any, state: tuple, weight: Any, bias: Any, mask: Any) -> tuple[Any, tuple]:
        """Return (states, (h_n, c_n))."""
        output, cell = LSTM_SEQUENCE(gates, *state, weight, bias, mask)
        return output, (output[-1], cell)


class GRU(Recurrent):
    """Gated recurrent unit. Gates: reset, update, new. Cho et al., 2014. See Recurrent."""

    gates = 3

    def run(self, gates: Any, state: tuple, weight: Any, bias: Any, mask: Any) -> tuple[Any, tuple]:
        """Return (states, (h_n,))."""
        return run_plain(GRU_SEQUENCE, gates, state, weight, bias, mask)
