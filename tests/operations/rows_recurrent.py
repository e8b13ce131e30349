"""Rows of the recurrent sequences: one step after another in NumPy; their gradients by the complex-step method."""

import numpy as np

from tests.operations.cases import cases, fixed_shapes, real
from tests.operations.table import Operation
from tinytorch import tensor
from tinytorch.core.engine import PRIMITIVES

SIZES = ((3, 2, 2), (1, 1, 1), (2, 0, 1))      # steps, sequences, hidden
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def going_on(rng, shape):
    """Where a sequence goes on: the first step is True nowhere twice."""
    found = rng.integers(0, 2, shape).astype(bool)
    found[0] = True
    return found


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def steps(kind, gates, h, c, weight, bias, mask, nonlinearity="tanh"):
    """Return (states, last cell) of a sequence; complex numbers pass through."""
    out, share_of = [], (lambda h: h @ weight.T + (0 if bias is None else bias))
    for t in range(len(gates)):
        x, share, before = gates[t], share_of(h), (h, c)
        if kind == "rnn":
            z = x + share
            h = np.tanh(z) if nonlinearity == "tanh" else np.where(z.real > 0, z, 0)
        elif kind == "lstm":
            i, f, g, o = np.split(x + share, 4, axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            (xr, xz, xn), (hr, hz, hn) = (np.split(part, 3, axis=-1) for part in (x, share))
            update = sigmoid(xz + hz)
            h = (1 - update) * np.tanh(xn + sigmoid(xr + hr) * hn) + update * h
        if mask is not None:
            h, c = np.where(mask[t], h, before[0]), c if c is None else np.where(mask[t], c, before[1])
        out.append(h)
    return np.stack(out), c


def reference(kind):
    def forward(gates, *rest, **settings):
        h, (c, rest) = rest[0], (rest[1], rest[2:]) if kind == "lstm" else (None, rest[1:])
        weight, bias, mask = (*rest, None) if len(rest) < 3 else rest
        out, cell = steps(kind, gates, h, c, weight, bias, mask, **settings)
        return (out, cell) if kind == "lstm" else out

    return forward


def call(kind):
    def forward(*inputs, **settings):
        inputs = inputs if len(inputs) == 5 + (kind == "lstm") else (*inputs, None)
        return PRIMITIVES[kind](*inputs, **settings)

    return forward


def grad_call(kind):
    """The gradient kernel, fed with what the forward kernel keeps at the same inputs."""

    def backward(*inputs, **settings):
        count = 2 if kind == "lstm" else 1
        inputs = inputs if len(inputs) == 5 + 2 * count - 1 else (*inputs, None)
        plain = [None if x is None else x.detach().numpy() for x in inputs[count:]]
        found = PRIMITIVES[kind].kernel(np, *plain, **settings)
        kept = (found,) if kind == "rnn" else found[2:] if kind == "lstm" else found
        return PRIMITIVES[f"{kind}_grad"](*inputs, *(tensor(k) for k in kept), **settings)

    return backward


def grad_reference(kind):
    """d(g · outputs) in gates and first states, each number moved by 1e-30·i; of gru the share of the state as well."""

    def backward(*arrays, **settings):
        count = 2 if kind == "lstm" else 1
        gs, inputs = arrays[:count], arrays[count:]

        def slope(position):
            found = np.zeros(inputs[position].shape)
            for place in np.ndindex(found.shape):
                moved = [x if x is None or x.dtype == bool else x.astype(complex) for x in inputs]
                moved[position][place] += 1e-30j
                outs = reference(kind)(*moved, **settings)
                outs = outs if isinstance(outs, tuple) else (outs,)
                found[place] = sum((g * out.imag).sum() for g, out in zip(gs, outs, strict=True)) / 1e-30
            return found

        wanted = [slope(i) for i in range(1 + count)]
        if kind == "gru":
            wanted.insert(1, share_slope(wanted[0], inputs))
        return tuple(wanted)

    return backward


def share_slope(gates_slope, inputs):
    """The third gate's share of the state enters times the reset gate, the others' like the gates themselves."""
    gates, h, weight, bias, *mask = inputs
    out, _ = steps("gru", gates, h, None, weight, bias, *(mask or [None]))
    before = np.concatenate([h[None], out[:-1]])
    size = h.shape[-1]
    reset = sigmoid(gates[..., :size] + (before @ weight.T + (0 if bias is None else bias))[..., :size])
    return np.concatenate([gates_slope[..., : 2 * size], gates_slope[..., 2 * size :] * reset], -1)


def shapes(kind, t=3, n=2, size=2):
    """Shapes of gates, first states, weight and bias, for t steps of n sequences."""
    rows = GATES[kind] * size
    return [(t, n, rows), *[(n, size)] * (1 + (kind == "lstm")), (rows, size), (rows,)]


def absent(rng, shape):
    """A bias left out."""


def alone(kind, place):
    """A sequence of two outputs of which one is used."""
    return lambda *inputs: call(kind)(*inputs)[place], lambda *inputs: reference(kind)(*inputs)[place]


def without_bias(kind, *first, **settings):
    """Cases of which the bias is left out, with sequences that rest."""
    found = [*(f(*SIZES[0]) for f in first), *shapes(kind, *SIZES[0]), (*SIZES[0][:2], 1)]
    fills = [real()] * (len(found) - 2)
    return cases(fixed_shapes(found), *fills, absent, going_on, settings=settings)


def sequences(kind, *first, **settings):
    """Cases with and without resting sequences; first: functions of (t, n, size) to further shapes before."""
    found = [[*(f(*sizes) for f in first), *shapes(kind, *sizes)] for sizes in SIZES]
    fills = [real()] * len(found[0])
    masked = [[*row, (t, n, 1)] for row, (t, n, _) in zip(found, SIZES, strict=True)]
    return cases(fixed_shapes(*found), *fills, settings=settings) | cases(
        fixed_shapes(*masked), *fills, going_on, settings=settings
    )


def states(t, n, size):
    return (t, n, size)


def cell(t, n, size):
    return (n, size)


ROWS = []
for name in GATES:
    firsts = (states, cell) if name == "lstm" else (states,)
    tanh = {"nonlinearity": "tanh"} if name == "rnn" else {}
    relu = tanh and {"nonlinearity": "relu"}
    ROWS += [
        Operation(
            name=f"primitive.{name}", call=call(name), reference=reference(name), primitives=(name,), forms=(),
            cases=sequences(name, **tanh) | sequences(name, **relu) | without_bias(name, **tanh),
        ),
        Operation(
            name=f"primitive.{name}_grad", call=grad_call(name), reference=grad_reference(name), forms=(),
            primitives=(f"{name}_grad",), cases=sequences(name, *firsts, **tanh) | sequences(name, *firsts, **relu),
        ),
        Operation(
            name=f"primitive.{name}_grad", call=grad_call(name), reference=grad_reference(name), forms=(),
            primitives=(f"{name}_grad",), cases=without_bias(name, *firsts, **tanh), inputs=(0,),
        ),
    ]
ROWS += [
    Operation(
        name="primitive.lstm", call=function, reference=wanted, primitives=("lstm",), forms=(), cases=sequences("lstm"),
    )
    for function, wanted in (alone("lstm", 0), alone("lstm", 1))
]
ROWS += [
    Operation(
        name="primitive.gru", call=lambda *inputs: PRIMITIVES["gru"].decompose(*inputs), reference=reference("gru"),
        primitives=("gru",), forms=(), cases=without_bias("gru"),
    ),
]
