"""A small U-Net takes noise out of digits: group norm, upsampling, skips joined by `cat`, gradients accumulated."""

import numpy as np

import tinytorch as torch
from tests.scripts.setting import digits, initialise

nn, F = torch.nn, torch.nn.functional


def double_conv(channels_in, channels):
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1), nn.GroupNorm(2, channels), nn.SiLU(),
        nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(2, channels), nn.SiLU(),
    )  # fmt: skip


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.middle = double_conv(1, 4), double_conv(4, 8), double_conv(8, 8)
        self.up2, self.up1 = double_conv(16, 4), double_conv(8, 4)
        self.out = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        x = self.middle(F.max_pool2d(b, 2))
        x = self.up2(torch.cat([F.interpolate(x, scale_factor=2), b], dim=1))
        x = self.up1(torch.cat([F.interpolate(x, scale_factor=2), a], dim=1))
        return self.out(x)


def build():
    return UNet()


def train(dtype, steps=50, accumulate=2):
    images = digits(200)[0]
    rng = np.random.default_rng(13)
    model = initialise(torch, build(), dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for step in range(steps):
        clean = images[8 * (step % 25) :][:8]
        noisy = clean + 0.3 * rng.normal(size=clean.shape)
        clean, noisy = (torch.from_numpy(a).to(getattr(torch, dtype)) for a in (clean, noisy))
        loss = F.huber_loss(model(noisy), clean, delta=0.5)
        (loss / accumulate).backward()
        if (step + 1) % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    return losses, model


def predict(model, dtype):
    return model(torch.from_numpy(digits(4, start=1000)[0]).to(getattr(torch, dtype)))
