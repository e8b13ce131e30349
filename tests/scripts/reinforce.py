"""A policy learns to walk to the end of a corridor by trial (REINFORCE with a baseline; Williams, 1992)."""

import numpy as np

import tinytorch as torch
from tests.scripts.setting import initialise

nn = torch.nn
CELLS, LONGEST = 6, 12


class Policy(nn.Module):
    def __init__(self, hidden=12):
        super().__init__()
        self.body = nn.Linear(CELLS, hidden)
        self.actor = nn.Linear(hidden, 2)
        self.critic = nn.Linear(hidden, 1)

    def forward(self, cells):
        h = torch.tanh(self.body(torch.eye(CELLS, dtype=self.body.weight.dtype)[cells]))
        return torch.log_softmax(self.actor(h), dim=-1), self.critic(h).squeeze(-1)


def build():
    return Policy()


def episode(model, rng):
    """Walk until the last cell or LONGEST steps: cells, actions, rewards."""
    cell, cells, actions, rewards = 0, [], [], []
    while cell < CELLS - 1 and len(cells) < LONGEST:
        with torch.no_grad():
            log_probabilities, _ = model(torch.tensor([cell]))
        right = rng.random() < log_probabilities[0, 1].exp().item()
        cells.append(cell)
        actions.append(int(right))
        cell = max(cell + (1 if right else -1), 0)
        rewards.append(1.0 if cell == CELLS - 1 else -0.1)
    return cells, actions, rewards


def returns_of(rewards, discount=0.95):
    total, returns = 0.0, []
    for reward in reversed(rewards):
        total = reward + discount * total
        returns.insert(0, total)
    return returns


def train(dtype, steps=50):
    rng = np.random.default_rng(9)
    model = initialise(torch, build(), dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(steps):
        cells, actions, rewards = episode(model, rng)
        returns = torch.tensor(returns_of(rewards), dtype=getattr(torch, dtype))
        log_probabilities, values = model(torch.tensor(cells))
        chosen = log_probabilities.gather(1, torch.tensor(actions).unsqueeze(1)).squeeze(1)
        advantages = returns - values.detach()
        entropy = -(log_probabilities.exp() * log_probabilities).sum(dim=1).mean()
        loss = -(chosen * advantages).mean() + 0.5 * nn.functional.mse_loss(values, returns) - 0.01 * entropy
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def predict(model, dtype):
    log_probabilities, values = model(torch.arange(CELLS))
    return torch.cat([log_probabilities, values[:, None]], dim=1)
