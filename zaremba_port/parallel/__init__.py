"""Several processes that train one network: each reads its columns of the batch.

`torchrun` starts the processes, the workers; they exchange gradients, losses and states by
torch.distributed. The room knows neither the network nor its training.
"""

from .environment import launcher, started_by_torchrun, without_torchrun, workers_started
from .exchange import GradientExchange, add_up
from .workers import ALONE, Workers

__all__ = [
    "ALONE",
    "GradientExchange",
    "Workers",
    "add_up",
    "launcher",
    "started_by_torchrun",
    "without_torchrun",
    "workers_started",
]
