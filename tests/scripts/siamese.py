"""One network judges whether two digits are the same: shared weights, a contrastive loss (Hadsell et al., 2006)."""

import numpy as np

import tinytorch as torch
from tests.scripts.setting import digits, initialise

nn, F = torch.nn, torch.nn.functional


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3)
        self.fc1 = nn.Linear(54, 24)
        self.fc2 = nn.Linear(24, 4)

    def embed(self, x):
        x = F.avg_pool2d(torch.tanh(self.conv(x)), 2)
        return self.fc2(torch.tanh(self.fc1(x.flatten(start_dim=1))))

    def forward(self, a, b):
        return self.embed(a), self.embed(b)


def build():
    return Siamese()


def contrastive_loss(a, b, same, margin=1.0):
    distance = ((a - b).pow(2).sum(dim=1) + 1e-9).sqrt()
    return torch.mean(same * distance.pow(2) + (1 - same) * torch.clamp(margin - distance, min=0.0).pow(2))


def train(dtype, steps=50):
    images, labels = digits(400)
    rng = np.random.default_rng(8)
    images = torch.from_numpy(images).to(getattr(torch, dtype))
    model = initialise(torch, build(), dtype)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3, momentum=0.5)
    losses = []
    for _ in range(steps):
        left, right = rng.integers(0, 400, (2, 24))
        same = torch.tensor(labels[left] == labels[right], dtype=images.dtype)
        a, b = model(images[torch.from_numpy(left)], images[torch.from_numpy(right)])
        loss = contrastive_loss(a, b, same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def predict(model, dtype):
    images = torch.from_numpy(digits(16, start=1000)[0]).to(getattr(torch, dtype))
    a, b = model(images[:8], images[8:])
    return F.cosine_similarity(a, b)
