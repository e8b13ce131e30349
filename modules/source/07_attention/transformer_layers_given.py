"""PyTorch's Transformer of 2017, encoder and decoder, under its names: for scripts and files written for it.

`TransformerBlock`, which module 07 teaches, is the form of today's language models; these are the original ones. Masks
mean what they mean in MultiheadAttention: True hides. Vaswani et al., "Attention is all you need", 2017.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.activations import gelu, relu
from tinytorch.core.attention import MultiheadAttention
from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.layers import Dropout, Linear, Module
from tinytorch.core.networks import ModuleList
from tinytorch.core.tensor import Tensor, from_array
from tinytorch.given.initialization import xavier_uniform_
from tinytorch.given.normalisation import LayerNorm
from tinytorch.given.settings import one_of, whole

#| face nn: TransformerEncoderLayer, TransformerEncoder, TransformerDecoderLayer, TransformerDecoder, Transformer


def _activation(activation: str | Callable) -> Callable:
    """Return the function that is meant by "relu", "gelu" or a function."""
    if callable(activation):
        return activation
    return {"relu": relu, "gelu": gelu}[one_of(activation, "Transformer's activation", ("relu", "gelu"))]


class TransformerPart(Module):
    """What the layers of encoder and decoder share: self-attention, a feed-forward net, and dropouts.

    d_model: features. nhead: heads. dim_feedforward: the width of the feed-forward net. norm_first: normalise before
    each part instead of behind it. batch_first: (N, L, E) in place of (L, N, E).
    """

    parts = 2

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: str | Callable = relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True,
    ):
        super().__init__()
        name = type(self).__name__
        d_model, width = whole(d_model, f"{name}'s d_model", 1), whole(dim_feedforward, f"{name}'s dim_feedforward", 1)
        attentions = ("self_attn", "multihead_attn")[: self.parts - 1]
        for attention in attentions:
            setattr(self, attention, MultiheadAttention(d_model, nhead, dropout, bias=bias, batch_first=batch_first))
        self.linear1, self.dropout = Linear(d_model, width, bias=bias), Dropout(dropout)
        self.linear2, self.norm_first = Linear(width, d_model, bias=bias), norm_first
        for i in range(1, self.parts + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias))
        for i in range(1, self.parts + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation(activation)

    def around(self, i: int, x: Any, part: Callable) -> Any:
        """Return x plus what the i-th part makes of it, normalised before or behind."""
        norm, drop = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
        return x + drop(part(norm(x))) if self.norm_first else norm(x + drop(part(x)))

    def feed_forward(self, x: Any) -> Any:
        """Return the two linear layers of x."""
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(TransformerPart):
    """Self-attention and a feed-forward net, each added to its input. See TransformerPart for the arguments."""

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Any:
        """Return the sequence, in the shape of src; src_mask (L, L), src_key_padding_mask (N, L): True hides."""

        def attend(x: Any) -> Any:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        return self.around(2, self.around(1, src, attend), self.feed_forward)


class TransformerDecoderLayer(TransformerPart):
    """Self-attention, attention to the encoder's output, and a feed-forward net. See TransformerPart."""

    parts = 3

    def forward(
        self, tgt: Any, memory: Any, tgt_mask: Any = None, memory_mask: Any = None, tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None, tgt_is_causal: bool = False, memory_is_causal: bool = False,
    ) -> Any:
        """Return the sequence, in the shape of tgt; memory: the output of the encoder."""

        def attend(x: Any) -> Any:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def look_up(x: Any) -> Any:
            masks = {"attn_mask": memory_mask, "is_causal": memory_is_causal}
            return self.multihead_attn(x, memory, memory, memory_key_padding_mask, False, **masks)[0]

        x = self.around(2, self.around(1, tgt, attend), look_up)
        return self.around(3, x, self.feed_forward)


class TransformerStack(Module):
    """num_layers deep copies of a layer, one behind the other, and a last normalisation if there is one."""

    def __init__(self, layer: Any, num_layers: int, norm: Any = None):
        super().__init__()
        name = type(self).__name__
        if not isinstance(layer, Module):
            raise DTypeError(f"{name}: expected a layer to copy, found {type(layer).__name__}.")
        self.num_layers = whole(num_layers, f"{name}'s num_layers")
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(self.num_layers)])
        self.norm = norm

    def run(self, x: Any, *args: Any, **settings: Any) -> Any:
        """Return x behind all layers."""
        for layer in self.layers:
            x = layer(x, *args, **settings)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(TransformerStack):
    """A stack of encoder layers, each a copy of the first. enable_nested_tensor, mask_check: without effect."""

    def __init__(
        self, encoder_layer: Any, num_layers: int, norm: Any = None, enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ):
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        """Return the sequence, in the shape of src. is_causal: a causal mask beside the one given."""
        return self.run(src, mask, src_key_padding_mask, is_causal=bool(is_causal))


class TransformerDecoder(TransformerStack):
    """A stack of decoder layers, each a copy of the first."""

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Any = None):
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self, tgt: Any, memory: Any, tgt_mask: Any = None, memory_mask: Any = None, tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Any:
        """Return the sequence, in the shape of tgt."""
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        return self.run(tgt, memory, *masks, tgt_is_causal=bool(tgt_is_causal), memory_is_causal=memory_is_causal)


class Transformer(Module):
    """Encoder and decoder. custom_encoder, custom_decoder: modules in their place. See TransformerPart for the rest."""

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
        dim_feedforward: int = 2048, dropout: float = 0.1, activation: str | Callable = relu,
        custom_encoder: Any = None, custom_decoder: Any = None, layer_norm_eps: float = 1e-5,
        batch_first: bool = False, norm_first: bool = False, bias: bool = True,
    ):
        super().__init__()
        settings = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*settings), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*settings), num_decoder_layers, norm()
        )
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for parameter in self.parameters():
            if parameter.ndim > 1:
                xavier_uniform_(parameter)

    def forward(
        self, src: Any, tgt: Any, src_mask: Any = None, tgt_mask: Any = None, memory_mask: Any = None,
        src_key_padding_mask: Any = None, tgt_key_padding_mask: Any = None, memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Any:
        """Return the decoder's output, in the shape of tgt."""
        for name, sequence in (("src", src), ("tgt", tgt)):
            if not isinstance(sequence, Tensor) or sequence.shape[-1:] != (self.d_model,):
                found = getattr(sequence, "shape", type(sequence).__name__)
                raise ShapeError(f"Transformer: expected {name} with {self.d_model} features, found {found}.")
        memory = self.encoder(src, src_mask, src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = np.float32) -> Any:
        """Return the causal mask (sz, sz), to be added to scores: 0 for now and the past, -inf for the future."""
        size = whole(sz, "generate_square_subsequent_mask's size")
        return from_array(np.triu(np.full((size, size), -np.inf), 1).astype(dtype)).to(device or "cpu")
