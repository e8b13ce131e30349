"""Fused operations taken apart again, for whoever asks for the gradient in between.

`relu(batch_norm(x))` is executed and recorded as one operation. If somebody asks afterwards for the gradient of what
batch norm returned (a hook, `retain_grad`, a target of `grad`), that tensor must lie on the way. So it is computed by
its own recipe, the operation that read it is recorded again, alone, and the node of the fused one takes over what was
recorded.
"""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import FUSIONS, bind, overlay
from tinytorch.given.deferral import settle
from tinytorch.given.graph import Node, version_of
from tinytorch.given.pending import IMMEDIATELY, Pending, Reader

TAKEN_OVER = ("backward", "edges", "params", "primitive", "rule", "saved")


def expose(tensor: Any) -> Any:
    """Return a tensor that has its array, and its place in the graph between what made it and all that read it."""
    settle(tensor)
    readers, tensor._readers = tensor._readers, None
    if readers and version_of(tensor) == 0:      # overwritten since: what was read is not this value any more
        for reader in readers:
            separate(reader, tensor)
    return tensor


def separate(reader: Reader, first: Any) -> None:
    """Record the operation of a reader alone, with `first` as its input; then all that was fused with its result."""
    output = reader.output()
    if output is not None and output._pending is not None:
        now = output._pending
        output._pending = Pending(reader.primitive, (first, *reader.others), reader.params, now.recorder, now.phase)
        settle(output)
    else:
        with overlay("forward", autograd=reader.recorder, immediately=IMMEDIATELY):
            single = bind(reader.primitive, first, *reader.others, **reader.params)
        node = None if reader.node is None else reader.node()
        if node is not None and is_fused(node):
            take_over(node, single._node)
        output = single if output is None else output
    readers, reader.readers, output._readers = list(reader.readers), [], None
    for following in readers:
        separate(following, output)


def is_fused(node: Node) -> bool:
    """Whether a node is still that of a fused operation, and not walked yet (then what it saved is gone)."""
    return node.backward is not None and any(node.primitive is fused for fused in FUSIONS.values())


def take_over(node: Node, single: Node) -> None:
    """Let a node be what was recorded for the single operation; those who point at it see no difference."""
    for name in TAKEN_OVER:
        setattr(node, name, getattr(single, name))
