"""Characters get vectors from their neighbours: skip-gram with negative sampling (Mikolov et al., 2013), Adagrad."""

import numpy as np

import tinytorch as torch
from tests.scripts.setting import characters, initialise

nn, F = torch.nn, torch.nn.functional


class SkipGram(nn.Module):
    def __init__(self, vocabulary, width=8):
        super().__init__()
        self.centre = nn.Embedding(vocabulary, width)
        self.context = nn.Embedding(vocabulary, width)

    def forward(self, centres, contexts):
        return torch.einsum("bd,bkd->bk", self.centre(centres), self.context(contexts))


def build():
    return SkipGram(characters()[1])


def train(dtype, steps=50, batch=32, negatives=4):
    text, vocabulary = characters()
    rng = np.random.default_rng(12)
    model = initialise(torch, build(), dtype)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        places = rng.integers(2, len(text) - 2, batch)
        neighbours = text[places + rng.choice([-2, -1, 1, 2], batch)]
        others = rng.integers(0, vocabulary, (batch, negatives))
        contexts = torch.from_numpy(np.concatenate([neighbours[:, None], others], axis=1))
        scores = model(torch.from_numpy(text[places]), contexts)
        loss = -(F.logsigmoid(scores[:, 0]) + F.logsigmoid(-scores[:, 1:]).sum(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def predict(model, dtype):
    vectors = F.normalize(model.centre.weight, dim=1)
    return vectors @ vectors.T
