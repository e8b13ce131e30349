"""A variational autoencoder draws digits: the reparametrisation trick, two losses in one (Kingma & Welling, 2014)."""

import numpy as np

import tinytorch as torch
from tests.scripts.setting import digits, initialise

nn, F = torch.nn, torch.nn.functional


class VAE(nn.Module):
    def __init__(self, hidden=32, latent=4):
        super().__init__()
        self.fc1 = nn.Linear(64, hidden)
        self.fc_mu = nn.Linear(hidden, latent)
        self.fc_logvar = nn.Linear(hidden, latent)
        self.fc2 = nn.Linear(latent, hidden)
        self.fc3 = nn.Linear(hidden, 64)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc_mu(h), self.fc_logvar(h)

    def decode(self, z):
        return self.fc3(F.relu(self.fc2(z)))

    def forward(self, x, noise):
        mu, logvar = self.encode(x.view(-1, 64))
        z = mu + noise * torch.exp(0.5 * logvar)
        return self.decode(z), mu, logvar


def build():
    return VAE()


def loss_function(logits, x, mu, logvar):
    reconstruction = F.binary_cross_entropy_with_logits(logits, x.view(-1, 64), reduction="sum")
    divergence = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return (reconstruction + divergence) / x.size(0)


def train(dtype, steps=50):
    images = torch.from_numpy(digits(320)[0]).to(getattr(torch, dtype))
    rng = np.random.default_rng(4)
    model = initialise(torch, build(), dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for step in range(steps):
        x = images[32 * (step % 10) : 32 * (step % 10) + 32]
        noise = torch.from_numpy(rng.normal(size=(32, 4)).astype(dtype))
        optimizer.zero_grad()
        logits, mu, logvar = model(x, noise)
        loss = loss_function(logits, x, mu, logvar)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def predict(model, dtype):
    images, _ = digits(8, start=1000)
    mu, logvar = model.encode(torch.from_numpy(images).to(getattr(torch, dtype)).reshape(8, -1))
    return torch.cat([torch.sigmoid(model.decode(mu)), logvar], dim=1)
