"""Load of an AI platform: chats, streams, embeddings, and requests that fail.

    WEIR_API_KEY=... locust -f loadtest/locustfile.py --headless -u 100 -r 20 -t 60s -H http://localhost:8080

WEIR_CHAT_MODEL and WEIR_EMBEDDING_MODEL name other models than the simulator's.
"""

import json
import os
import time

from locust import FastHttpUser, between, events, task

API_KEY = os.environ.get("WEIR_API_KEY", "")
CHAT_MODEL = os.environ.get("WEIR_CHAT_MODEL", "simulator:ttft=50ms,tps=400")
EMBEDDING_MODEL = os.environ.get("WEIR_EMBEDDING_MODEL", "simulator-embedding")
# The target of an installation: the command exits with 1 when it is missed.
MAX_P95_MS = int(os.environ.get("WEIR_MAX_P95_MS", "500"))
MAX_P99_MS = int(os.environ.get("WEIR_MAX_P99_MS", "2000"))
MAX_ERROR_RATE = float(os.environ.get("WEIR_MAX_ERROR_RATE", "0.001"))

PROMPTS = (
    "Summarise the water level of the last week in one sentence.",
    "Write a polite reply to a customer whose parcel is late.",
    "Which index does a table of ten million orders need?",
)


class WeirUser(FastHttpUser):
    """One client of the platform. Waits between two requests as a person does."""

    wait_time = between(0.5, 2)

    def on_start(self):
        self.turn = 0

    def headers(self):
        return {"Authorization": f"Bearer {API_KEY}"}

    def chat(self, **more):
        self.turn += 1
        content = PROMPTS[self.turn % len(PROMPTS)]
        return {"model": CHAT_MODEL, "messages": [{"role": "user", "content": content}], "max_tokens": 40, **more}

    @task(6)
    def complete(self):
        self.client.post("/v1/chat/completions", json=self.chat(), headers=self.headers(), name="chat")

    @task(3)
    def stream(self):
        started = time.perf_counter()
        first = None
        ended = False
        with self.client.post(
            "/v1/chat/completions",
            json=self.chat(stream=True),
            headers=self.headers(),
            name="stream",
            stream=True,
            catch_response=True,
        ) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
                return
            while line := response.stream.readline(b"\n"):
                if first is None:
                    first = time.perf_counter()
                ended = ended or line.startswith(b"data: [DONE]")
            if not ended:
                response.failure("the stream ended without [DONE]")
            else:
                response.success()
        if first is not None:
            events.request.fire(
                request_type="POST",
                name="stream: first token",
                response_time=(first - started) * 1000,
                response_length=0,
                exception=None,
                context={},
            )

    @task(2)
    def embed(self):
        body = {"model": EMBEDDING_MODEL, "input": [PROMPTS[0], PROMPTS[1]]}
        self.client.post("/v1/embeddings", json=body, headers=self.headers(), name="embeddings")

    @task(1)
    def fail(self):
        """A client's mistake is rejected with its code, and is no failure of the platform."""
        mistakes = (
            ("/v1/chat/completions", self.chat(model="no-such-model"), 404, "model_not_found"),
            ("/v1/chat/completions", {"model": CHAT_MODEL}, 400, "invalid_request"),
        )
        path, body, status, _ = mistakes[self.turn % len(mistakes)]
        self.turn += 1
        with self.client.post(
            path, json=body, headers=self.headers(), name="mistake", catch_response=True
        ) as response:
            try:
                error = json.loads(response.text or "{}").get("error", {})
            except ValueError:
                error = {}
            if response.status_code == status and error.get("message"):
                response.success()
            else:
                response.failure(f"status {response.status_code}, expected {status} with an error")


@events.quitting.add_listener
def check_target(environment, **_):
    total = environment.stats.total
    if total.num_requests == 0:
        environment.process_exit_code = 1
        return
    p95 = total.get_response_time_percentile(0.95)
    p99 = total.get_response_time_percentile(0.99)
    print(f"p95 {p95} ms, p99 {p99} ms, {total.num_failures} of {total.num_requests} requests failed")
    # An error of this file is no success either.
    broken = bool(environment.runner and environment.runner.exceptions)
    missed = broken or p95 >= MAX_P95_MS or p99 >= MAX_P99_MS or total.fail_ratio >= MAX_ERROR_RATE
    environment.process_exit_code = 1 if missed else 0
