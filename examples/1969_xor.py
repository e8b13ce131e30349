"""1969, Minsky and Papert: "Perceptrons".

Which questions can one layer not answer? "Is exactly one of the two true?" is the smallest: no straight line separates
(0, 1) and (1, 0) from (0, 0) and (1, 1), so one layer gets at most three of the four right. A hidden layer bends the
plane first, and then one line is enough. What was missing for years was a way to train it.

Expected: one_layer_accuracy <= 0.75
Expected: two_layers_accuracy == 1
"""

from tinytorch import manual_seed, nn, no_grad, optim, tensor

QUESTIONS = tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ANSWERS = tensor([[0.0], [1.0], [1.0], [0.0]])
STEPS = 500


def accuracy_of(model, steps=STEPS):
    """Train the model on the four questions; return the share that it answers right."""
    optimizer, criterion = optim.Adam(model.parameters(), lr=0.05), nn.BCEWithLogitsLoss()
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss = criterion(model(QUESTIONS), ANSWERS)
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.4f}")
    with no_grad():
        right = (model(QUESTIONS) > 0) == (ANSWERS > 0)
    return right.float().mean().item()


def main():
    """A second."""
    manual_seed(0)
    print("One layer:")
    one = accuracy_of(nn.Linear(2, 1))
    print("Two layers:")
    two = accuracy_of(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)))
    return {"one_layer_accuracy": one, "two_layers_accuracy": two}


if __name__ == "__main__":
    print(main())
