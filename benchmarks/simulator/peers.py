"""The batching policies of other servers, written anew from what their source does, on the simulator's interface.

Where a peer has a knob it is a parameter. Each is idealised in its own favour: no framework overhead, no polling delay
unless the delay is the policy, and the same packed device as ours.
"""

import math
from collections import deque

import numpy as np

from benchmarks.simulator.workloads import SimulatedMessage as Message


class FirstInFirstOut:
    """Triton's `dynamic_batching {}`: when an instance is free it takes what waits, up to a number of requests.

    `rejects`: with a queue timeout equal to the tenant's budget and action REJECT, expired requests are answered with
    an error when the batch is formed. `max_messages=1` is no batching at all.
    Source: triton-inference-server/core src/dynamic_batch_scheduler.cc, scheduler_utils.cc.
    """

    def __init__(self, max_messages: int, rejects: bool = False) -> None:
        self._max_messages = max_messages
        self._rejects = rejects
        self._queue: deque[Message] = deque()

    def add(self, message: Message, now: float) -> None:
        self._queue.append(message)

    def next_batch(self, now: float) -> list[Message] | float:
        batch: list[Message] = []
        while self._queue and len(batch) < self._max_messages:
            message = self._queue.popleft()
            if self._rejects and message.deadline < now:
                message.dropped = True
            else:
                batch.append(message)
        return batch or math.inf

    def finished(self, messages: list[Message], seconds: float, now: float) -> None:
        pass


class SizeOrTimeout:
    """Ray Serve's `@serve.batch`, TorchServe, KServe: full, or the oldest has waited long enough.

    Source: ray-project/ray python/ray/serve/batching.py (the wait counted from the oldest request, in its favour).
    """

    def __init__(self, max_messages: int, wait_seconds: float) -> None:
        self._max_messages = max_messages
        self._wait_seconds = wait_seconds
        self._queue: deque[Message] = deque()

    def add(self, message: Message, now: float) -> None:
        self._queue.append(message)

    def next_batch(self, now: float) -> list[Message] | float:
        if not self._queue:
            return math.inf
        due = self._queue[0].delivered + self._wait_seconds
        if len(self._queue) < self._max_messages and now < due:
            return due
        return [self._queue.popleft() for _ in range(min(len(self._queue), self._max_messages))]

    def finished(self, messages: list[Message], seconds: float, now: float) -> None:
        pass


class TokenBudget:
    """Text Embeddings Inference: first in, first out, up to a number of tokens, as soon as the backend has room.

    `prefetches`: as in the source, the next batch is bound when the running one starts, and stays as it was then.
    Source: huggingface/text-embeddings-inference core/src/queue.rs, infer.rs.
    """

    def __init__(self, max_tokens: int, prefetches: bool) -> None:
        self._max_tokens = max_tokens
        self._prefetches = prefetches
        self._queue: deque[Message] = deque()
        self._bound: list[Message] = []

    def add(self, message: Message, now: float) -> None:
        if self._prefetches and not self._bound:
            self._bound = [message]
        else:
            self._queue.append(message)

    def next_batch(self, now: float) -> list[Message] | float:
        if not self._prefetches:
            return self._bind() or math.inf
        batch, self._bound = self._bound, []
        if batch:
            self._bound = self._bind()
        return batch or math.inf

    def finished(self, messages: list[Message], seconds: float, now: float) -> None:
        pass

    def _bind(self) -> list[Message]:
        batch: list[Message] = []
        tokens = 0
        while self._queue and tokens + self._queue[0].token_count <= self._max_tokens:
            message = self._queue.popleft()
            tokens += message.token_count
            batch.append(message)
        return batch


class SortedWindow:
    """Infinity: takes up to eight batches' worth at once, sorts it by length, and runs the batches in that order.

    Source: michaelfeil/infinity inference/queue.py, batch_handler.py (without its delay between threads).
    """

    def __init__(self, max_messages: int, max_batches: int = 8) -> None:
        self._max_messages = max_messages
        self._max_batches = max_batches
        self._queue: deque[Message] = deque()
        self._bound: deque[list[Message]] = deque()

    def add(self, message: Message, now: float) -> None:
        self._queue.append(message)

    def next_batch(self, now: float) -> list[Message] | float:
        if not self._bound and self._queue:
            batches = min(self._max_batches, max(1, len(self._queue) // self._max_messages))
            count = min(len(self._queue), batches * self._max_messages)
            window = [self._queue.popleft() for _ in range(count)]
            if batches > 1:
                window.sort(key=lambda message: message.token_count)
            for start in range(0, count, self._max_messages):
                self._bound.append(window[start : start + self._max_messages])
        return self._bound.popleft() if self._bound else math.inf

    def finished(self, messages: list[Message], seconds: float, now: float) -> None:
        pass


class LearntLatency:
    """BentoML: one latency limit for all, duration = a n + b by least squares over the last 50 batches, every 5 s.

    Cancels the oldest while its expected latency is over the limit; waits for company while n (wait of the newest +
    tick + a) is under 95% of the mean wait; takes the newest first, as its source does.
    Source: bentoml/BentoML src/bentoml/_internal/marshal/dispatcher.py (its training phase cut to one fit).
    """

    TICK_SECONDS = 0.001

    def __init__(self, max_messages: int, limit_seconds: float) -> None:
        self._max_messages = max_messages
        self._limit_seconds = limit_seconds
        self._queue: deque[Message] = deque()
        self._samples: deque[tuple[int, float, float]] = deque(maxlen=50)
        self._slope = min(2.0, limit_seconds * 2 / 30)
        self._intercept = min(1.0, limit_seconds / 30)
        self._mean_wait = 0.01
        self._fitted = -math.inf
        self._started = 0.0

    def add(self, message: Message, now: float) -> None:
        self._queue.append(message)

    def next_batch(self, now: float) -> list[Message] | float:
        queue = self._queue
        if len(self._samples) < 4 and queue:
            return self._start([queue.pop()], now)
        while len(queue) > 1:
            count = len(queue)
            if now - queue[0].delivered + self._slope * count + self._intercept < self._limit_seconds:
                break
            queue.popleft().dropped = True
        if not queue:
            return math.inf
        wait_of_newest = now - queue[-1].delivered
        pressure = len(queue) * (wait_of_newest + self.TICK_SECONDS + self._slope)
        if len(queue) < self._max_messages and pressure <= 0.95 * self._mean_wait:
            return now + self.TICK_SECONDS
        return self._start([queue.pop() for _ in range(min(len(queue), self._max_messages - 1))], now)

    def finished(self, messages: list[Message], seconds: float, now: float) -> None:
        self._samples.append((len(messages), seconds, self._started - messages[-1].delivered))
        if len(self._samples) == 4 or now - self._fitted >= 5:
            self._fit(now)

    def _start(self, batch: list[Message], now: float) -> list[Message]:
        self._started = now
        return batch

    def _fit(self, now: float) -> None:
        sizes = np.array([[size, 1.0] for size, _, _ in self._samples])
        seconds = np.array([duration for _, duration, _ in self._samples])
        slope, intercept = np.linalg.lstsq(sizes, seconds, rcond=None)[0].tolist()
        self._slope, self._intercept = max(1e-6, slope), max(0.0, intercept)
        self._mean_wait = max(0.0, sum(wait for _, _, wait in self._samples) / len(self._samples))
        self._fitted = now
