import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.training.batch_sampler import prompt_batches, shuffled_batches


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 300), st.integers(1, 64), st.integers(0, 5))
def test_shuffled_batches_hold_every_row_once_in_even_sizes(rows: int, size: int, seed: int) -> None:
    index = torch.arange(rows) * 3
    batches = shuffled_batches(index, size, seeded(seed))
    sizes = [len(batch) for batch in batches]
    assert torch.equal(torch.cat(batches).sort().values, index)
    assert max(sizes) <= size and max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=40), st.integers(1, 64), st.integers(0, 5))
def test_prompt_batches_hold_whole_prompts(sizes: list[int], size: int, seed: int) -> None:
    prompts = torch.repeat_interleave(torch.arange(len(sizes)) * 7, torch.tensor(sizes))
    prompts = prompts[torch.randperm(len(prompts), generator=seeded(seed + 1))]
    rows = torch.arange(len(prompts))
    batches = prompt_batches(rows, prompts, size, seeded(seed))
    assert torch.equal(torch.cat(batches).sort().values, rows)
    assert all(len(batch) for batch in batches)
    for prompt, count in zip(torch.arange(len(sizes)) * 7, sizes, strict=True):
        homes = [batch for batch in batches if bool((prompts[batch] == prompt).any())]
        assert len(homes) <= -(-count // size)
    largest_piece = min(size, max(sizes))
    assert max(len(batch) for batch in batches) <= len(rows) / -(-len(rows) // size) + largest_piece


def test_order_follows_the_generator() -> None:
    rows, prompts = torch.arange(64), torch.arange(64) // 8
    for one, two, other in (
        [shuffled_batches(rows, 16, seeded(seed)) for seed in (1, 1, 2)],
        [prompt_batches(rows, prompts, 16, seeded(seed)) for seed in (1, 1, 2)],
    ):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
        assert any(not torch.equal(a, b) for a, b in zip(one, other, strict=True))
