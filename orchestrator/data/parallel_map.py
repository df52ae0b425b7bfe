"""Work on batches of rows by several threads at once, its results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def parallel_map(work: Callable[[slice], T], size: int, rows: range, threads: int | None = None) -> Iterator[T]:
    """Yield `work(batch)` for batches of `size` rows, in order.

    Each of torch's threads decodes and encodes whole batches by itself. On an idle machine that is as fast as all
    threads on one batch. On a busy machine it is several times faster: no thread waits for another, and some images
    are decoded while others are in the network.

    Args:
        work: function of one batch.
        size: rows of a batch.
        rows: all of them.
        threads: number of threads; as many as torch has if None.
    """
    import torch

    batches = (slice(first, min(first + size, rows.stop)) for first in rows[::size])
    for first in islice(batches, 1):
        yield work(first)  # loads the weights before there are threads that would each load them
    if len(rows) <= size:
        return
    threads = threads or torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    ahead: deque[Future[T]] = deque()
    try:
        for batch in batches:
            ahead.append(pool.submit(work, batch))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # some of torch's libraries count threads for the whole process
