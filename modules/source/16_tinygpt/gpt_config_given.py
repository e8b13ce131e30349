"""The sizes of a TinyGPT, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.given.settings import number, one_of, whole

#| face models: GPTConfig


@dataclass(frozen=True)
class GPTConfig:
    """The architecture of a TinyGPT.

    vocab_size: tokens. context: positions that it sees at once. layers, heads, width: blocks, heads of each, features.
    kv_heads: heads of keys and values, each shared by several heads of queries (default: as many as heads). dropout:
    of embeddings, attention weights and results. bias: in linear layers. positions: "learned" or "rotary". norm:
    "layer" or "rms". tied: the output layer uses the embedding table.
    """

    vocab_size: int
    context: int = 64
    layers: int = 4
    heads: int = 4
    width: int = 128
    kv_heads: int | None = None
    dropout: float = 0.0
    bias: bool = True
    positions: str = "learned"
    norm: str = "layer"
    tied: bool = True

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context", "layers", "heads", "width"):
            whole(getattr(self, name), f"GPTConfig's {name}", 1)
        number(self.dropout, "GPTConfig's dropout", 0, 1)
        for name in ("bias", "tied"):
            one_of(getattr(self, name), f"GPTConfig's {name}", (True, False))
        one_of(self.positions, "GPTConfig's positions", ("learned", "rotary"))
        one_of(self.norm, "GPTConfig's norm", ("layer", "rms"))
        if self.width % self.heads:
            raise ShapeError(
                f"GPTConfig: expected a width divisible by heads, found width={self.width} and heads={self.heads}."
            )
        if self.heads % whole(self.shared_heads, "GPTConfig's kv_heads", 1):
            raise ShapeError(
                f"GPTConfig: expected heads divisible by kv_heads, found heads={self.heads} and "
                f"kv_heads={self.kv_heads}."
            )
        if self.positions == "rotary" and self.head_dim % 2:
            raise ShapeError(f"GPTConfig: expected an even width / heads for rotary positions, found {self.head_dim}.")

    @property
    def head_dim(self) -> int:
        """Features of a head."""
        return self.width // self.heads

    @property
    def shared_heads(self) -> int:
        """Heads of keys and values."""
        return self.heads if self.kv_heads is None else self.kv_heads

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)


def config_of(settings: Any, place: str) -> GPTConfig:
    """Return the configuration that `as_dict` gave; `place` says where it was found."""
    wanted = f"load_gpt: expected the settings of a TinyGPT in {place}, found"
    if not isinstance(settings, dict):
        raise TinyTorchError(f"{wanted} {type(settings).__name__}.")
    if unknown := sorted(set(settings) - {field.name for field in fields(GPTConfig)}):
        raise TinyTorchError(f"{wanted} {unknown} too.")
    if "vocab_size" not in settings:
        raise TinyTorchError(f"{wanted} no vocab_size.")
    return GPTConfig(**settings)


def expect_config(config: Any, name: str = "TinyGPT") -> GPTConfig:
    """Return `config` if it is a GPTConfig; `name` is who asks."""
    if not isinstance(config, GPTConfig):
        found = type(config).__name__
        raise DTypeError(f"{name}: expected a GPTConfig, found {found}: write GPTConfig(vocab_size), with its sizes.")
    return config


def differences(here: GPTConfig, there: GPTConfig) -> str:
    """Return "width 128, not 64; …": what `there` has that `here` has not."""
    mine, other = here.as_dict(), there.as_dict()
    return "; ".join(f"{name} {other[name]}, not {mine[name]}" for name in mine if mine[name] != other[name])
