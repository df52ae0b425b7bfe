"""The order in which an epoch visits its rows."""

import torch
from torch import Generator, Tensor


def shuffled_batches(rows: Tensor, batch_size: int, generator: Generator) -> tuple[Tensor, ...]:
    """Rows (n,) shuffled into batches of at most `batch_size`, as even in size as can be.

    Even sizes spare the last step a gradient of one or two rows.
    """
    order = rows[torch.randperm(len(rows), generator=generator)]
    return torch.tensor_split(order, -(-len(rows) // batch_size))


def prompt_batches(rows: Tensor, prompt_ids: Tensor, batch_size: int, generator: Generator) -> tuple[Tensor, ...]:
    """Rows (n,) in batches of whole prompts, about as many batches and rows a batch as `shuffled_batches`.

    A batch may exceed `batch_size` by half a prompt. A prompt of more than `batch_size` rows is cut into
    pieces of that size, anew each time. `prompt_ids` (N,) covers the whole dataset.
    """
    order = rows[torch.randperm(len(rows), generator=generator)]
    _, prompt = torch.unique(prompt_ids[order], return_inverse=True)
    by_prompt = prompt.argsort(stable=True)
    order, prompt = order[by_prompt], prompt[by_prompt]
    place = torch.arange(len(order)) - torch.searchsorted(prompt, prompt)
    _, piece = torch.unique(torch.stack((prompt, place // batch_size)), dim=1, return_inverse=True)

    sizes = torch.bincount(piece)
    shuffled = torch.randperm(len(sizes), generator=generator)
    ends = sizes[shuffled].cumsum(0)
    middle = torch.empty_like(sizes, dtype=torch.float64)
    middle[shuffled] = (ends - sizes[shuffled] / 2).double()

    steps = -(-len(order) // batch_size)
    by_piece = middle[piece].argsort(stable=True)
    step = (middle[piece][by_piece] * steps / len(order)).long()
    counts = torch.bincount(step, minlength=steps)
    return torch.split(order[by_piece], [int(count) for count in counts if count])
