"""Use a recipe in your own training loop: dropout, exact zeros by L1, and the weights of the best epoch."""

import torch
from torch import nn
from torch.nn import functional as F

from goodfit import attach, load

EPOCHS, ROWS = 60, 32
torch.manual_seed(0)
torch.set_num_threads(1)  # a network this small is slower with more threads
split = load("breast_cancer").split()
train, stop, test = split.train, split.stop, split.test
model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)

with attach(model, "dropout=0.2, l1=3e-3, early_stopping=10", optimizer) as reg:
    for epoch in range(EPOCHS):
        model.train()
        for rows in torch.randperm(len(train)).split(ROWS):
            x, y = reg.batch(train.x[rows], train.y[rows])
            loss = F.cross_entropy(model(x), y) + reg.penalty()
            loss.backward()
            reg.step()  # in place of optimizer.step()
        with torch.no_grad():
            stop_loss = F.cross_entropy(model.eval()(stop.x), stop.y).item()
        decision = reg.end_epoch(val_loss=stop_loss)
        if decision.stop:
            print(f"epoch {epoch + 1}: {decision.reason}")
            break

model.eval()  # dropout is detached, and the weights are those of the best epoch
accuracy = (model(test.x).argmax(1) == test.y).float().mean().item()
kernels = torch.cat([w.flatten() for w in model.parameters() if w.ndim == 2])
print(f"test accuracy {accuracy:.1%}; {int((kernels == 0).sum())} of {len(kernels)} weights are exactly zero")
