"""Two networks play against each other over a ring of points (Goodfellow et al., 2014): two optimizers, `detach`."""

import numpy as np

import tinytorch as torch
from tests.scripts.setting import initialise

nn = torch.nn


class GAN(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
        self.discriminator = nn.Sequential(
            nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)
        )


def build():
    return GAN()


def train(dtype, steps=50):
    rng = np.random.default_rng(5)
    model = initialise(torch, build(), dtype)
    generator, discriminator = model.generator, model.discriminator
    criterion = nn.BCEWithLogitsLoss()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    losses = []
    for _ in range(steps):
        angle = rng.uniform(0, 2 * np.pi, 32)
        real = torch.from_numpy(np.stack([np.cos(angle), np.sin(angle)], 1).astype(dtype))
        latent = torch.from_numpy(rng.normal(size=(32, 4)).astype(dtype))
        real_label, fake_label = torch.ones(32, 1, dtype=real.dtype), torch.zeros(32, 1, dtype=real.dtype)

        fake = generator(latent)
        optimizer_d.zero_grad()
        loss_d = criterion(discriminator(real), real_label) + criterion(discriminator(fake.detach()), fake_label)
        loss_d.backward()
        optimizer_d.step()

        optimizer_g.zero_grad()
        loss_g = criterion(discriminator(fake), real_label)
        loss_g.backward()
        optimizer_g.step()
        losses.append(loss_d.item() + loss_g.item())
    return losses, model


def predict(model, dtype):
    latent = torch.from_numpy(np.random.default_rng(6).normal(size=(16, 4)).astype(dtype))
    points = model.generator(latent)
    return torch.cat([points, model.discriminator(points)], dim=1)
