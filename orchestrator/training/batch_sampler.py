"""Batches of an epoch's rows, shuffled by row or by prompt."""

import torch
from torch import Generator, Tensor


def shuffled_batches(rows: Tensor, batch_size: int, generator: Generator) -> tuple[Tensor, ...]:
    """Shuffle rows (n,) into batches of at most `batch_size` whose sizes differ by at most one.

    With even sizes the last step does not have a gradient of one or two rows.

    Example:
        >>> batches = shuffled_batches(torch.arange(10), 4, Generator().manual_seed(0))
        >>> [len(batch) for batch in batches]
        [4, 3, 3]
    """
    order = rows[torch.randperm(len(rows), generator=generator)]
    return torch.tensor_split(order, -(-len(rows) // batch_size))


def prompt_batches(rows: Tensor, prompt_ids: Tensor, batch_size: int, generator: Generator) -> tuple[Tensor, ...]:
    """Shuffle rows (n,) into batches of whole prompts, with about the batch sizes of `shuffled_batches`.

    A batch can exceed `batch_size` by half a prompt. A prompt of more than `batch_size` rows is cut into
    pieces of that size, at random in each call. `prompt_ids` (N,) covers the whole dataset.

    Example:
        >>> prompt_ids = torch.arange(12) // 3
        >>> batches = prompt_batches(torch.arange(12), prompt_ids, 6, Generator().manual_seed(0))
        >>> [len(prompt_ids[batch].unique()) for batch in batches]
        [2, 2]
    """
    order = rows[torch.randperm(len(rows), generator=generator)]
    _, prompt = torch.unique(prompt_ids[order], return_inverse=True)
    by_prompt = prompt.argsort(stable=True)
    order, prompt = order[by_prompt], prompt[by_prompt]
    place = torch.arange(len(order)) - torch.searchsorted(prompt, prompt)
    # One number for prompt and piece: `unique` of pairs takes as long as half an epoch's steps.
    _, piece = torch.unique(prompt * len(order) + place // batch_size, return_inverse=True)

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
