#!/usr/bin/env python3
"""Lets a small bridge die between a real RabbitMQ and a real NATS server, and counts what crossed.

    apt-get install rabbitmq-server nats-server python3-pika
    python3 Tests/RealCluster/bridges.py                  # all scenarios
    python3 Tests/RealCluster/bridges.py dies_between

The bridge is a process of its own: it consumes here, publishes there, and kills itself where it is told to. What Warren's
`bridges:` say of such a client is in "How true is it?". NATS listens on 26690.
"""

import collections
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pika

from ask import Cluster, PERSISTENT

NATS = 26690


class Both(Cluster):
    """One RabbitMQ, and a NATS server."""

    nodes = (1,)

    def join(self):
        self.nats = None
        self.start_nats()

    def start_nats(self, limit=1048576):
        path = os.path.join(self.folder, "nats.conf")
        with open(path, "w") as file:
            file.write('listen: "127.0.0.1:%d"\nmax_payload: %d\n' % (NATS, limit))
        self.nats = subprocess.Popen([shutil.which("nats-server"), "-c", path], stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", NATS)) == 0:
                    return
            time.sleep(0.05)
        sys.exit("nats-server does not start")

    def stop_nats(self):
        self.nats.send_signal(signal.SIGKILL)
        self.nats.wait()

    def end(self):
        if self.nats:
            self.stop_nats()
        super().end()

    def fill(self, count, size=10):
        connection = self.connect(1)
        channel = connection.channel()
        channel.queue_declare("jobs", durable=True)
        channel.queue_purge("jobs")
        for number in range(count):
            channel.basic_publish("", "jobs", (b"%d " % number).ljust(size, b"."), properties=PERSISTENT)
        connection.close()

    def take(self):
        connection = self.connect(1)
        channel = connection.channel()
        got = []
        for method, _, body in channel.consume("jobs", auto_ack=True, inactivity_timeout=2):
            if method is None:
                break
            got.append(body.split()[0])
        connection.close()
        return got


class Wire:
    """A connection to NATS, with as little library as can be."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", NATS))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.say(b'CONNECT {"verbose":false,"pedantic":false}')
        self.flush()

    def say(self, line):
        self.socket.sendall(line + b"\r\n")

    def publish(self, subject, body):
        self.say(b"PUB %s %d\r\n%s" % (subject, len(body), body))

    def read(self):
        """The next line that is not a PING, and the body if it is a message."""
        while True:
            line = self.file.readline()
            if not line:
                raise OSError("closed")
            if line.startswith(b"PING"):
                self.say(b"PONG")
            elif line.startswith(b"MSG"):
                body = self.file.read(int(line.split()[-1]) + 2)[:-2]
                return line, body
            else:
                return line, None

    def flush(self):
        self.say(b"PING")
        while True:
            line, _ = self.read()
            if line.startswith(b"PONG"):
                return
            if line.startswith(b"-ERR"):
                raise OSError(line)


class Listener(threading.Thread):
    """Keeps what comes on a subject; connects again at once."""

    def __init__(self, subject=b"jobs"):
        super().__init__(daemon=True)
        self.subject, self.got = subject, []
        self.start()
        time.sleep(0.3)

    def run(self):
        while True:
            try:
                wire = Wire()
                wire.say(b"SUB %s 1" % self.subject)
                while True:
                    _, body = wire.read()
                    if body:
                        self.got.append(body.split()[0])
            except OSError:
                time.sleep(0.02)


def told(got, sent):
    counts = collections.Counter(got)
    doubled = sum(count - 1 for count in counts.values())
    return "%d of %d arrived, %d missing, %d twice" % (len(counts), sent, sent - len(counts), doubled)


# The bridge itself.


def outward(ack, flush, die_at, pause):
    """From the queue to NATS: acknowledges after or before, asks or not, and dies between the two at one message."""
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", 26671, heartbeat=0))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=20)
    wire = Wire()
    done = 0
    for method, _, body in channel.consume("jobs"):
        done += 1
        if ack == "before":
            channel.basic_ack(method.delivery_tag)
            connection.process_data_events()
            if done == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        wire.publish(b"jobs", body)
        if flush == "flush":
            wire.flush()
        if ack == "after":
            if done == die_at:
                time.sleep(0.2)
                os.kill(os.getpid(), signal.SIGKILL)
            channel.basic_ack(method.delivery_tag)
        time.sleep(pause)


def inward(group, die_at, pause):
    """From NATS to the queue, with confirms; dies before it publishes one message."""
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", 26671, heartbeat=0))
    channel = connection.channel()
    channel.confirm_delivery()
    wire = Wire()
    wire.say(b"SUB jobs %s 1" % group.encode())
    wire.flush()
    print("ready", flush=True)
    done = 0
    while True:
        _, body = wire.read()
        if body is None:
            continue
        done += 1
        time.sleep(pause)
        if done == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        channel.basic_publish("", "jobs", body, properties=PERSISTENT)


def bridge(*words):
    return subprocess.Popen(
        [sys.executable, __file__, "--bridge", *[str(word) for word in words]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def until_it_ends(process, *words, seconds=20):
    """Starts a bridge anew each time that it dies, without the wish to die, until so many seconds are over."""
    end = time.time() + seconds
    while time.time() < end:
        if process.poll() is not None:
            time.sleep(0.5)
            process = bridge(*words)
        time.sleep(0.1)
    process.kill()
    process.wait()


# The scenarios.


def dies_between(both):
    """A bridge dies once between the publication and the ack, in either order."""
    for ack in ("after", "before"):
        both.fill(200)
        listener = Listener()
        until_it_ends(bridge("out", ack, "flush", 100, 0), "out", ack, "flush", 0, 0, seconds=6)
        print("  ack %s: %s" % (ack, told(listener.got, 200)), flush=True)


def server_killed(both):
    """The NATS server is frozen while a bridge publishes, and then killed."""
    for flush in ("none", "flush"):
        both.fill(500)
        listener = Listener()
        process = bridge("out", "after", flush, 0, 0.005)
        time.sleep(1.5)
        both.nats.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        both.stop_nats()
        both.start_nats()
        until_it_ends(process, "out", "after", flush, 0, 0.005, seconds=10)
        print("  %s: %s" % (flush, told(listener.got, 500)), flush=True)


def too_large(both):
    """A message is larger than NATS takes, and the bridge asks."""
    both.stop_nats()
    both.start_nats(100)
    both.fill(1, size=200)
    tries = 0
    for _ in range(5):
        process = bridge("out", "after", "flush", 0, 0)
        try:
            process.wait(2)
            tries += 1
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    print("  %d of 5 tries ended with the connection, %d messages are still in the queue" % (tries, len(both.take())), flush=True)
    both.stop_nats()
    both.start_nats()


def dies_with_some(both):
    """A bridge from NATS dies with messages in its hands, and comes back after half a second."""
    both.fill(0)
    process = bridge("in", "", 50, 0.02)
    process.stdout.readline()

    def publish():
        wire = Wire()
        for number in range(200):
            wire.publish(b"jobs", b"%d" % number)
            time.sleep(0.01)
        wire.flush()

    threading.Thread(target=publish, daemon=True).start()
    until_it_ends(process, "in", "", 0, 0.02, seconds=8)
    print("  %s" % told(both.take(), 200), flush=True)


def groups(both):
    """Two bridges from NATS, without a queue group and with one."""
    for group in ("", "g"):
        both.fill(0)
        processes = [bridge("in", group, 0, 0) for _ in range(2)]
        for process in processes:
            process.stdout.readline()
        wire = Wire()
        for number in range(200):
            wire.publish(b"jobs", b"%d" % number)
        wire.flush()
        time.sleep(3)
        for process in processes:
            process.kill()
            process.wait()
        print("  group '%s': %s" % (group, told(both.take(), 200)), flush=True)


SCENARIOS = dict((one.__name__, one) for one in (dies_between, server_killed, too_large, dies_with_some, groups))

if __name__ == "__main__":
    if sys.argv[1:2] == ["--bridge"]:
        kind, *words = sys.argv[2:]
        if kind == "out":
            outward(words[0], words[1], int(words[2]), float(words[3]))
        else:
            inward(words[0], int(words[1]), float(words[2]))
        sys.exit()
    wanted = sys.argv[1:] or list(SCENARIOS)
    unknown = [name for name in wanted if name not in SCENARIOS]
    if unknown:
        sys.exit("no such scenario: %s; there are %s" % (", ".join(unknown), ", ".join(SCENARIOS)))
    if not shutil.which("nats-server"):
        sys.exit("nats-server is not here: apt-get install nats-server")
    both = Both()
    try:
        for name in wanted:
            print("%s: %s" % (name, SCENARIOS[name].__doc__), flush=True)
            SCENARIOS[name](both)
    finally:
        both.end()
