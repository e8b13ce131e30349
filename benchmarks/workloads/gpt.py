"""(h) A training step of a GPT: 4 layers × 128, 4 heads, 65 characters, context 128, batch 16; AdamW."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.libraries import Library

CHARACTERS, CONTEXT, LAYERS, HEADS, WIDTH = 65, 128, 4, 4, 128


def prepare(library: Library, batch: int = 16) -> Callable[[], float]:
    """Forward, loss of the next token at every position, backward, AdamW."""
    model = library.network(network(library))
    optimizer = library.optimizer("AdamW", model, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.1)
    tokens = np.random.default_rng(1).integers(0, CHARACTERS, (batch, CONTEXT + 1))
    x, y = (library.torch.from_numpy(np.ascontiguousarray(part)) for part in (tokens[:, :-1], tokens[:, 1:]))
    return partial(_step, library.torch.nn.functional.cross_entropy, model, optimizer, x, y.reshape(-1))


def _step(cross_entropy: Any, model: Any, optimizer: Any, x: Any, y: Any) -> float:
    loss = cross_entropy(model(x).reshape(-1, CHARACTERS), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.item())


def network(library: Library) -> Any:
    """TinyGPT, or the same model written in PyTorch, with the same parameters in the same order."""
    if library.is_pytorch:
        return in_pytorch(library.torch)
    from tinytorch.models import GPTConfig, TinyGPT

    return TinyGPT(GPTConfig(CHARACTERS, context=CONTEXT, layers=LAYERS, heads=HEADS, width=WIDTH))


def in_pytorch(torch: Any) -> Any:
    """The model as one writes it in PyTorch: fused attention, a cache that is filled in place."""
    nn, functional, size = torch.nn, torch.nn.functional, WIDTH // HEADS

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Any, cache: Any, start: int) -> Any:
            n, length, _ = x.shape
            q, k, v = (t.view(n, length, HEADS, size).transpose(1, 2) for t in self.qkv(x).split(WIDTH, 2))
            if cache is not None:
                cache[0][:, :, start : start + length], cache[1][:, :, start : start + length] = k, v
                k, v = (t[:, :, : start + length] for t in cache)
            out = functional.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
            return self.out(out.transpose(1, 2).reshape(n, length, WIDTH))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.attention = Attention()
            self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

        def forward(self, x: Any, cache: Any, start: int) -> Any:
            x = x + self.attention(self.norm1(x), cache, start)
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(CHARACTERS, WIDTH), nn.Embedding(CONTEXT, WIDTH)
            self.blocks, self.norm = nn.ModuleList([Block() for _ in range(LAYERS)]), nn.LayerNorm(WIDTH)

        def forward(self, tokens: Any, caches: Any = None, start: int = 0) -> Any:
            x = self.tokens(tokens) + self.positions.weight[start : start + tokens.shape[1]]
            for i, block in enumerate(self.blocks):
                x = block(x, None if caches is None else caches[i], start)
            return functional.linear(self.norm(x), self.tokens.weight)

    return GPT()
