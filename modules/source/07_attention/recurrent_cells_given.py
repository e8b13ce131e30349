"""Recurrent layers, one step at a time: RNNCell, LSTMCell, GRUCell. For loops that decide from step to step."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.layers import Module, Parameter, linear
from tinytorch.core.tensor import Tensor, empty, zeros
from tinytorch.given.initialization import uniform_
from tinytorch.given.recurrent_kernels import GRU_SEQUENCE, LSTM_SEQUENCE, RNN_SEQUENCE
from tinytorch.given.settings import one_of, whole

#| face nn: RNNCell, LSTMCell, GRUCell


class RecurrentCell(Module):
    """What the cells share. Parameters: `weight_ih` (gates · hidden, inputs), `weight_hh`, `bias_ih`, `bias_hh`."""

    gates = 1
    states = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ):
        super().__init__()
        name = type(self).__name__
        self.input_size = whole(input_size, f"{name}'s input_size", low=1)
        self.hidden_size = whole(hidden_size, f"{name}'s hidden_size", low=1)
        self.bias, rows = bias, self.gates * self.hidden_size
        self.weight_ih = Parameter(empty(rows, self.input_size))
        self.weight_hh = Parameter(empty(rows, self.hidden_size))
        self.bias_ih = Parameter(empty(rows)) if bias else None
        self.bias_hh = Parameter(empty(rows)) if bias else None
        self.to(dtype=dtype, device=device).reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform in ±1/√hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound)

    def step(self, gates: Any, state: tuple) -> tuple:
        """Return the next state from the gates (1, N, G) and the state, a tuple of (N, H)."""
        raise NotImplementedError(f"{type(self).__name__}.step: written by RNNCell, LSTMCell and GRUCell.")

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the next state: input (N, features) or (features,), hx (N, hidden) or (hidden,), zeros if None."""
        name = type(self).__name__
        if not isinstance(input, Tensor):
            raise DTypeError(f"{name}: expected a Tensor, found {type(input).__name__}.")
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: expected an input (N, {self.input_size}) or ({self.input_size},), found shape {input.shape}."
            )
        shape = (*input.shape[:-1], self.hidden_size)
        given = hx if self.states > 1 or hx is None else (hx,)
        if given is None:
            given = (zeros(*shape, dtype=input.dtype),) * self.states
        if not isinstance(given, tuple | list) or [getattr(h, "shape", None) for h in given] != [shape] * self.states:
            found = [getattr(h, "shape", type(h).__name__) for h in (hx if isinstance(hx, tuple | list) else (hx,))]
            raise ShapeError(f"{name}: expected {self.states} state(s) of shape {shape}, found {found}.")
        single = input.ndim == 1
        rows = [t.unsqueeze(0) if single else t for t in (input, *given)]
        state = self.step(linear(rows[0], self.weight_ih, self.bias_ih).unsqueeze(0), tuple(rows[1:]))
        state = tuple(h.squeeze(0) for h in state) if single else state
        return state if self.states > 1 else state[0]

    def extra_repr(self) -> str:
        """Return the sizes, and the bias if there is none."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RecurrentCell):
    """One step of an RNN: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = one_of(nonlinearity, "RNNCell's nonlinearity", ("tanh", "relu"))

    def extra_repr(self) -> str:
        """Return sizes, and the settings that are not the usual ones."""
        return super().extra_repr() + (f", nonlinearity={self.nonlinearity}" if self.nonlinearity != "tanh" else "")

    def step(self, gates: Any, state: tuple) -> tuple:
        """Return (h',)."""
        found = RNN_SEQUENCE(gates, *state, self.weight_hh, self.bias_hh, None, nonlinearity=self.nonlinearity)
        return (found.squeeze(0),)


class LSTMCell(RecurrentCell):
    """One step of an LSTM: called with (input, (h, c)), returns (h', c')."""

    gates = 4
    states = 2

    def step(self, gates: Any, state: tuple) -> tuple:
        """Return (h', c')."""
        output, cell = LSTM_SEQUENCE(gates, *state, self.weight_hh, self.bias_hh, None)
        return output.squeeze(0), cell


class GRUCell(RecurrentCell):
    """One step of a GRU."""

    gates = 3

    def step(self, gates: Any, state: tuple) -> tuple:
        """Return (h',)."""
        return (GRU_SEQUENCE(gates, *state, self.weight_hh, self.bias_hh, None).squeeze(0),)
