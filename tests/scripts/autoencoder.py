"""A convolutional autoencoder squeezes digits through eight numbers: strided and transposed convolutions, AdamW."""

import tinytorch as torch
from tests.scripts.setting import digits, initialise

nn = torch.nn


class Autoencoder(nn.Module):
    def __init__(self, code=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.LeakyReLU(0.1),
            nn.Conv2d(6, 12, 3, stride=2, padding=1), nn.LeakyReLU(0.1),
            nn.Flatten(), nn.Linear(48, code),
        )  # fmt: skip
        self.expand = nn.Linear(code, 48)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(12, 6, 4, stride=2, padding=1), nn.LeakyReLU(0.1),
            nn.ConvTranspose2d(6, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x):
        code = self.encoder(x)
        return self.decoder(self.expand(code).view(-1, 12, 2, 2))


def build():
    return Autoencoder()


def train(dtype, steps=50):
    images = torch.from_numpy(digits(320)[0]).to(getattr(torch, dtype))
    model = initialise(torch, build(), dtype)
    criterion = nn.MSELoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
    losses = []
    for step in range(steps):
        x = images[32 * (step % 10) :][:32]
        loss = criterion(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def predict(model, dtype):
    images, _ = digits(8, start=1000)
    return model(torch.from_numpy(images).to(getattr(torch, dtype)))
