"""How long looks into a trace of a million facts take, and exports of it: a line for each, the median of the runs."""

import os
import resource
import subprocess
import sys
import tempfile
import time

TOPOLOGY = """
warren: 1
name: million
brokers:
  main:
    kind: rabbitmq
    exchanges: { shop: { type: topic }, dead: { type: fanout } }
    queues:
      jobs: { arguments: { x-dead-letter-exchange: dead } }
      mail: {}
      graves: {}
    bindings:
      - { from: shop, queue: jobs, key: "order.*" }
      - { from: shop, queue: mail, key: "order.paid" }
      - { from: dead, queue: graves }
producers:
  web: { to: { exchange: shop, key: order.paid }, arrivals: 500/s, count: 34000, confirms: true, instances: 3 }
consumers:
  worker: { from: jobs, prefetch: 20, service: 3ms, instances: 6, fails: { error: 1% }, on_error: { requeue: false } }
  mailer: { from: mail, prefetch: 20, service: 1ms, instances: 3 }
faults: [{ at: 30s, do: kill, client: worker, instance: 2, for: 5s }]
"""

LOOKS = [
    ("message", "message m50000"), ("why", "why m50000 graves"), ("client", "client worker"),
    ("queue", "queue jobs"), ("at", "at 40s"), ("summary", "summary"), ("timeline", "timeline"),
    ("jsonl", "export --format jsonl -o {out}"), ("csv", "export --format csv -o {out}"),
    ("shiviz", "export --format shiviz -o {out}"), ("perfetto", "export --format perfetto -o {out}"),
    ("otlp", "export --format otlp -o {out}"),
]

warren, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("million.yaml", "w") as file:
        file.write(TOPOLOGY)
    subprocess.run([warren, "run", "million.yaml", "--trace", "t.sqlite"], stdout=subprocess.DEVNULL)
    facts = subprocess.run([warren, "trace", "sql", "SELECT count(*) FROM facts", "t.sqlite"],
                           capture_output=True, text=True).stdout.split()[-1]
    print("facts", facts)
    for name, words in LOOKS:
        times = []
        for _ in range(rounds if not words.startswith("export") else 1):
            begun = time.monotonic()
            subprocess.run([warren, "trace", *words.format(out="out").split(), "t.sqlite"],
                           stdout=subprocess.DEVNULL)
            times.append(time.monotonic() - begun)
        print(name, sorted(times)[len(times) // 2])
    print("memory", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
