"""An LSTM of two layers learns a text character by character: hidden states carried along, gradients clipped."""

import tinytorch as torch
from tests.scripts.setting import characters, initialise

nn, F = torch.nn, torch.nn.functional


class CharLSTM(nn.Module):
    def __init__(self, vocabulary, embedding=8, hidden=16):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, tokens, state=None):
        out, state = self.lstm(self.embed(tokens), state)
        return self.head(out), state


def build():
    return CharLSTM(characters()[1])


def train(dtype, steps=50, batch=4, length=12):
    text, vocabulary = characters()
    per_row = (len(text) - 1) // batch
    inputs = torch.from_numpy(text[: batch * per_row]).view(batch, per_row)
    targets = torch.from_numpy(text[1 : batch * per_row + 1]).view(batch, per_row)
    model = initialise(torch, build(), dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses, state, position = [], None, 0
    for _ in range(steps):
        if position + length > per_row:
            state, position = None, 0
        window = slice(position, position + length)
        logits, state = model(inputs[:, window], state)
        state = tuple(s.detach() for s in state)
        loss = F.cross_entropy(logits.reshape(-1, vocabulary), targets[:, window].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        losses.append(loss.item())
        position += length
    return losses, model


def predict(model, dtype):
    text, _ = characters()
    logits, (h, c) = model(torch.from_numpy(text[:24]).view(2, 12))
    return torch.cat([logits.flatten(), h.flatten(), c.flatten()])
