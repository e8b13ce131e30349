"""A GRU foretells a sum of two waves: sequence to one number, smooth L1 loss, the rate halved when nothing improves."""

import numpy as np

import tinytorch as torch
from tests.scripts.setting import initialise

nn = torch.nn


class Forecaster(nn.Module):
    def __init__(self, hidden=12):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, 1)

    def forward(self, x):
        out, _ = self.gru(x)
        return self.head(out[:, -1])


def build():
    return Forecaster()


def waves(count, rng, length=16):
    t = rng.uniform(0, 20, (count, 1)) + 0.4 * np.arange(length + 1)
    values = np.sin(t) + 0.5 * np.sin(2.3 * t)
    return values[:, :-1, None], values[:, -1:]


def train(dtype, steps=50):
    rng = np.random.default_rng(10)
    model = initialise(torch, build(), dtype)
    criterion = nn.SmoothL1Loss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5)
    losses = []
    for _ in range(steps):
        x, y = (torch.from_numpy(a.astype(dtype)) for a in waves(16, rng))
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step(loss.item())
        losses.append(loss.item())
    return losses, model


def predict(model, dtype):
    return model(torch.from_numpy(waves(8, np.random.default_rng(11))[0].astype(dtype)))
