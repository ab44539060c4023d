"""Muon for the matrices inside the layers, AdamW for everything else."""

from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass
class Team:
    """Processes that train one model, each on batches of its own. They begin with the same weights and take the same steps."""

    rank: int
    size: int

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Over all processes."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def mean_gradients(self, trainee: nn.Module) -> None:
        """Of all processes. A parameter that no process has a gradient for keeps none."""
        if self.size == 1:
            return
        parameters = list(trainee.parameters())
        present = self.sum(torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device))
        some = [p for p, count in zip(parameters, present.tolist()) if count]
        for p in some:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        together = self.sum(torch.cat([p.grad.flatten() for p in some])) / self.size
        for p, mean in zip(some, together.split([p.numel() for p in some])):
            p.grad.copy_(mean.view_as(p))


ALONE = Team(0, 1)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is brought to the nearest orthogonal matrix (Newton-Schulz), matrices of one shape together and each
    by one process of a team."""

    def __init__(self, parameters, rate: float, kind: torch.dtype, team: Team, momentum: float = 0.95, weight_decay: float = 0.02):
        super().__init__(parameters, {"lr": rate, "momentum": momentum, "weight_decay": weight_decay})
        self.kind = kind  # of the products; five steps of the iteration forgive bf16
        self.team = team

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(p.shape, []).append(p)
            for shape, members in shapes.items():
                for p in members:
                    if p not in self.state:
                        self.state[p]["velocity"] = torch.zeros_like(p)
                gradients = [p.grad for p in members]
                velocities = [self.state[p]["velocity"] for p in members]
                torch._foreach_lerp_(velocities, gradients, 1 - group["momentum"])
                momenta = torch.stack(torch._foreach_lerp(gradients, velocities, group["momentum"]))
                rate = group["lr"] * max(1, shape[0] / shape[1]) ** 0.5
                mine = slice(self.team.rank, None, self.team.size)
                updates = torch.zeros_like(momenta)
                updates[mine] = orthogonal(momenta[mine].to(self.kind)).to(updates.dtype)
                self.team.sum(updates)
                torch._foreach_mul_(members, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(members, updates.unbind(), alpha=-rate)


def orthogonal(x: torch.Tensor) -> torch.Tensor:
    """[n, rows, columns] with all singular values brought near 1."""
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.775, alpha=2.0315), x, beta=3.4445)
    return x.mT if tall else x


class Optimiser:
    """Both, with one relative learning rate."""

    def __init__(self, trainee: nn.Module, muon: float = 0.02, adam: float = 2e-3, kind: torch.dtype = torch.float32, team: Team = ALONE):
        named = dict(trainee.named_parameters())
        inner = [p for n, p in named.items() if p.dim() == 2 and (".layer" in n or "projector" in n)]
        chosen = {id(p) for p in inner}
        rest = [p for p in named.values() if id(p) not in chosen]
        self.parts = (Muon(inner, muon, kind, team), torch.optim.AdamW(rest, adam, betas=(0.9, 0.98), weight_decay=0.0, fused=True))
        self.peaks = (muon, adam)

    def step(self, rate: float) -> None:
        """One step at `rate` times the peak rates."""
        for part, peak in zip(self.parts, self.peaks):
            for group in part.param_groups:
                group["lr"] = rate * peak
            part.step()
            part.zero_grad()

    def state_dict(self) -> list:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list) -> None:
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)
