"""Models of every kind, written once for both libraries: `models(nn)` with torch.nn or tinytorch.nn.

Used by make_exchange.py, check_exchange.py and tests/modules/test_exchange.py. Each comes with the shape of its input;
an input of whole numbers ends in the number of tokens, as text.
"""

from typing import Any


def models(nn: Any) -> dict[str, tuple[Any, tuple]]:
    """Return name -> (model, shape of its input)."""

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(7, 4, padding_idx=0)
            self.lstm = nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True)
            self.gru, self.rnn = nn.GRU(6, 3), nn.RNN(3, 2, nonlinearity="relu", bias=False)
            self.cell = nn.LSTMCell(2, 2)

        def forward(self, tokens: Any) -> Any:
            x, _ = self.lstm(self.embed(tokens))
            x, _ = self.rnn(self.gru(x)[0])
            return self.cell(x[:, -1])[0]

    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(7, 4)
            layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True, norm_first=True)
            self.body = nn.TransformerEncoder(layer, 2, nn.LayerNorm(4), enable_nested_tensor=False)
            self.head = nn.Linear(4, 7, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, tokens: Any) -> Any:
            return self.head(self.body(self.embed(tokens)))

    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.named = nn.ModuleDict({"left": nn.Linear(3, 3), "right": nn.Bilinear(3, 3, 2)})
            self.listed = nn.ModuleList([nn.Linear(2, 2) for _ in range(2)])
            first = self.listed[0].weight
            self.scales = nn.ParameterList([first.detach().clone(), first.detach()[0].clone()])
            self.shifts = nn.ParameterDict({"a": first.detach()[1].clone()})
            self.register_buffer("steps", first.detach()[0, 0].clone().long())
            self.register_buffer("scratch", first.detach().clone(), persistent=False)

        def forward(self, x: Any) -> Any:
            y = self.named["right"](self.named["left"](x), x)
            return self.listed[1](self.listed[0](y) @ self.scales[0] + self.scales[1]) + self.shifts["a"]

    return {
        "mlp": (nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 3)), (2, 5)),
        "cnn": (
            nn.Sequential(
                nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False), nn.GroupNorm(2, 6), nn.PReLU(6),
                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
            ),
            (2, 3, 8, 8),
        ),
        "autoencoder": (
            nn.Sequential(
                nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(),
                nn.ConvTranspose2d(3, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
            ),
            (2, 1, 6, 6),
        ),
        "signal": (nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.LeakyReLU(), nn.AvgPool1d(2)), (2, 2, 8)),
        "recurrent": (Recurrent(), (2, 5, "7")),
        "language": (Language(), (2, 5, "7")),
        "parts": (Parts(), (4, 3)),
    }
