#!/usr/bin/env python3
"""Asks two real RabbitMQ brokers on this machine what "How true is it?" says of shovels and federation.

    apt-get install rabbitmq-server python3-pika
    python3 Tests/RealCluster/relays.py                   # all scenarios
    python3 Tests/RealCluster/relays.py shovel_modes

The brokers w1 (west) and w2 (east) are those of ask.py, but not in one cluster. What goes from one to the other goes
through a port that can be cut: 26680.
"""

import collections
import json
import socket
import sys
import threading
import time

import pika

from ask import Cluster, PERSISTENT

WEST, EAST, PROXY = 1, 2, 26680


class Pair(Cluster):
    nodes = (WEST, EAST)
    plugins = "[rabbitmq_shovel,rabbitmq_federation]."

    def join(self):
        for node, name in ((WEST, "west"), (EAST, "east")):
            self.control(node, "set_cluster_name", name)

    def uri(self, node, port=None):
        return "amqp://127.0.0.1:%d" % (port or 26670 + node)

    def parameter(self, node, component, name, **value):
        value = {key.replace("_", "-"): one for key, one in value.items()}
        return self.control(node, "set_parameter", component, name, json.dumps(value))

    def clear(self, node, component, name):
        return self.control(node, "clear_parameter", component, name)

    def queues(self, node):
        rows = self.control(node, "list_queues", "name", "messages", "arguments", "--quiet").split("\n")[1:]
        return {row.split("\t")[0]: row.split("\t")[1:] for row in rows if row}

    def take(self, node, queue, seconds=3):
        """All that comes out of a queue, until nothing has come for so long."""
        connection = self.connect(node)
        channel = connection.channel()
        got = []
        if queue not in self.queues(node):
            return got
        for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=seconds):
            if method is None:
                break
            got.append((body, method, properties))
        connection.close()
        return got


class Proxy:
    """Carries bytes to a broker, until it is told to stop or to forget."""

    def __init__(self, port, target):
        self.target = target
        self.pairs, self.tries = [], []
        self.frozen = self.refuses = False
        self.server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            here, _ = self.server.accept()
            self.tries.append(time.time())
            if self.refuses:
                here.close()
                continue
            try:
                there = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                here.close()
                continue
            self.pairs.append((here, there))
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, one, other):
        try:
            while data := one.recv(65536):
                while self.frozen:
                    time.sleep(0.05)
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def reset(self):
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs = []


def told(got, sent):
    counts = collections.Counter(body for body, _, _ in got)
    missing = sent - len(counts)
    doubled = sum(count - 1 for count in counts.values())
    return "%d of %d arrived, %d missing, %d twice" % (len(counts), sent, missing, doubled)


def fill(pair, node, queue, count, start=0):
    connection = pair.connect(node)
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    for number in range(start, start + count):
        channel.basic_publish("", queue, b"%d" % number, properties=PERSISTENT)
    connection.close()


def shovel_modes(pair, proxy):
    """Each ack mode, and the link, the target or the source is lost while 40,000 messages go over."""
    for mode in ("on-confirm", "on-publish", "no-ack"):
        for what in ("the link is reset", "the target is killed", "the source is killed"):
            queue = "q-%s-%s" % (mode, what.split()[1])
            fill(pair, WEST, queue, 40000)
            pair.parameter(
                WEST, "shovel", "s", src_uri="amqp://", src_queue=queue, dest_uri=pair.uri(EAST, PROXY),
                dest_queue=queue, ack_mode=mode, reconnect_delay=1,
            )
            connection = pair.connect(EAST)
            for _ in range(400):
                try:
                    if connection.channel().queue_declare(queue, passive=True).method.message_count > 3000:
                        break
                except pika.exceptions.AMQPError:
                    pass
                time.sleep(0.01)
            connection.close()
            if what == "the link is reset":
                proxy.reset()
            else:
                node = EAST if what == "the target is killed" else WEST
                pair.kill(node)
                pair.start(node)
            time.sleep(12)
            left = pair.queues(WEST).get(queue)
            print("  %-10s %-22s %s; left %s" % (mode, what, told(pair.take(EAST, queue), 40000), left), flush=True)
            pair.clear(WEST, "shovel", "s")


def reconnect(pair, proxy):
    """When a shovel with a delay of three seconds tries again."""
    fill(pair, WEST, "again", 1)
    proxy.tries.clear()
    pair.parameter(WEST, "shovel", "s", src_uri="amqp://", src_queue="again", dest_uri=pair.uri(EAST, PROXY), dest_queue="again", reconnect_delay=3)
    time.sleep(3)
    proxy.refuses = True
    began = time.time()
    proxy.reset()
    time.sleep(14)
    print("  tries after the reset: %s" % [round(one - began, 1) for one in proxy.tries if one > began])
    proxy.refuses = False
    time.sleep(4)
    began = time.time()
    proxy.reset()
    time.sleep(8)
    print("  after a second one: %s" % [round(one - began, 1) for one in proxy.tries if one > began])
    pair.clear(WEST, "shovel", "s")


def refused(pair, proxy):
    """The target refuses; the target has no such exchange; the source queue goes."""
    connection = pair.connect(EAST)
    connection.channel().queue_declare("full", durable=True, arguments={"x-max-length": 5, "x-overflow": "reject-publish"})
    fill(pair, WEST, "much", 20)
    pair.parameter(WEST, "shovel", "s", src_uri="amqp://", src_queue="much", dest_uri=pair.uri(EAST), dest_queue="full")
    time.sleep(3)
    print("  full target: west %s, east %s" % (pair.queues(WEST).get("much"), pair.queues(EAST).get("full")))
    pair.clear(WEST, "shovel", "s")
    time.sleep(1)
    got = pair.take(WEST, "much", 1)
    print("    left at the source: %d, %d redelivered" % (len(got), sum(method.redelivered for _, method, _ in got)))
    fill(pair, WEST, "nowhere", 3)
    pair.parameter(WEST, "shovel", "s", src_uri="amqp://", src_queue="nowhere", dest_uri=pair.uri(EAST, PROXY), dest_exchange="missing", reconnect_delay=1)
    proxy.tries.clear()
    time.sleep(6)
    print("  missing exchange: west %s, %d tries in 6 s; %s" % (pair.queues(WEST).get("nowhere"), len(proxy.tries), pair.control(WEST, "shovel_status")[-200:].replace("\n", " ")))
    pair.clear(WEST, "shovel", "s")
    fill(pair, WEST, "gone", 3)
    pair.parameter(WEST, "shovel", "s", src_uri="amqp://", src_queue="gone", dest_uri=pair.uri(EAST), dest_queue="gone", reconnect_delay=1)
    time.sleep(2)
    pair.connect(WEST).channel().queue_delete("gone")
    for _ in range(8):
        time.sleep(0.5)
        print("    %s" % pair.queues(WEST).get("gone"))
    pair.clear(WEST, "shovel", "s")


def delete_after(pair, proxy):
    """When a shovel deletes itself, and what of a target that refuses."""
    for after in ("queue-length", 5, 0):
        fill(pair, WEST, "some", 10)
        pair.parameter(WEST, "shovel", "s", src_uri="amqp://", src_queue="some", dest_uri=pair.uri(EAST), dest_queue="some", src_delete_after=after)
        time.sleep(3)
        print("  %s: west %s, east %s, parameters %r" % (after, pair.queues(WEST).get("some"), pair.queues(EAST).get("some"), pair.control(WEST, "list_parameters", "--quiet")))
        pair.clear(WEST, "shovel", "s")
        pair.take(WEST, "some", 1)
        pair.take(EAST, "some", 1)
    connection = pair.connect(EAST)
    connection.channel().queue_declare("few", durable=True, arguments={"x-max-length": 5, "x-overflow": "reject-publish"})
    fill(pair, WEST, "few", 20)
    pair.parameter(WEST, "shovel", "s", src_uri="amqp://", src_queue="few", dest_uri=pair.uri(EAST), dest_queue="few", src_delete_after="queue-length")
    time.sleep(3)
    print("  the target takes 5 of 20: west %s, east %s, parameters %r" % (pair.queues(WEST).get("few"), pair.queues(EAST).get("few"), pair.control(WEST, "list_parameters", "--quiet")))
    pair.clear(WEST, "shovel", "s")


def headers(pair, proxy):
    """What a shovel writes on a message, and what it keeps."""
    connection = pair.connect(WEST)
    channel = connection.channel()
    channel.queue_declare("h", durable=True)
    channel.exchange_declare("x", "topic", durable=True)
    channel.queue_bind("h", "x", "#")
    channel.basic_publish("x", "a.b", b"1", properties=pika.BasicProperties(headers={"z": 1, "b": "two"}, message_id="m", expiration="60000"))
    pair.parameter(
        WEST, "shovel", "s", src_uri="amqp://", src_queue="h", dest_uri=pair.uri(EAST), dest_queue="h", dest_add_forward_headers=True,
        dest_add_timestamp_header=True, dest_publish_properties={"delivery_mode": 2, "type": "t"},
    )
    time.sleep(2)
    for body, method, properties in pair.take(EAST, "h", 1):
        print("  %r %r %r" % (method.exchange, method.routing_key, properties))
    pair.clear(WEST, "shovel", "s")


def federate(pair, node, name, pattern, target="exchanges", **upstream):
    """Makes a node the downstream of another one."""
    pair.parameter(node, "federation-upstream", name, **upstream)
    pair.control(node, "set_policy", "--apply-to", target, "fed-" + name, pattern, json.dumps({"federation-upstream": name}))


def unfederate(pair, node, name):
    pair.control(node, "clear_policy", "fed-" + name)
    pair.clear(node, "federation-upstream", name)


def federated_exchange(pair, proxy):
    """What a link makes upstream, what crosses, and how soon a binding is there."""
    for node in (WEST, EAST):
        channel = pair.connect(node).channel()
        channel.exchange_declare("events", "topic", durable=True)
        channel.queue_declare("all", durable=True)
        channel.queue_bind("all", "events", "#" if node == WEST else "order.*")
    federate(pair, EAST, "west", "^events$", uri=pair.uri(WEST))
    time.sleep(3)
    rows = pair.control(WEST, "list_bindings", "source_name", "destination_name", "routing_key", "arguments", "--quiet").split("\n")
    print("  bindings upstream: %s" % [row for row in rows if row.startswith(("events\tfed", "federation"))])
    print("  exchanges upstream: %s" % [row for row in pair.control(WEST, "list_exchanges", "name", "type", "durable", "auto_delete", "internal", "arguments", "--quiet").split("\n") if "fed" in row])
    print("  queues upstream: %s" % [row for row in pair.control(WEST, "list_queues", "name", "durable", "arguments", "--quiet").split("\n") if "fed" in row])
    channel = pair.connect(WEST).channel()
    channel.basic_publish("events", "order.new", b"1", properties=pika.BasicProperties(headers={"z": 1}, user_id="guest", delivery_mode=2))
    channel.basic_publish("events", "user.new", b"2")
    pair.connect(EAST).channel().basic_publish("events", "order.local", b"3")
    time.sleep(1)
    for node, name in ((WEST, "west"), (EAST, "east")):
        for body, method, properties in pair.take(node, "all", 1):
            print("  %s has %r %s %s %r" % (name, body, method.exchange, method.routing_key, properties))
    # A binding that comes after the link runs, and how soon it is upstream.
    east = pair.connect(EAST).channel()
    west = pair.connect(WEST).channel()
    east.queue_declare("late", durable=True)
    missed = []
    for number in range(20):
        key = "late.%d" % number
        east.queue_bind("late", "events", key)
        west.basic_publish("events", key, key.encode())
    time.sleep(1)
    print("  published right after the bind: %d of 20 arrived" % len(pair.take(EAST, "late", 1)))


def link_ends(pair, proxy):
    """What becomes of the queue upstream when the link's broker stops, or is killed, or the policy goes."""
    federated_exchange(pair, proxy)
    name = "federation: events -> east"
    for what in ("stop_app", "kill", "clear_policy"):
        time.sleep(2)
        print("  before %s: %s" % (what, pair.queues(WEST).get(name)))
        if what == "stop_app":
            pair.control(EAST, "stop_app")
        elif what == "kill":
            pair.kill(EAST)
        else:
            pair.control(EAST, "clear_policy", "fed-west")
        time.sleep(2)
        west = pair.connect(WEST).channel()
        west.basic_publish("events", "order.away", b"away", properties=PERSISTENT)
        time.sleep(1)
        print("  after: %s" % pair.queues(WEST).get(name))
        if what == "stop_app":
            pair.control(EAST, "start_app")
        elif what == "kill":
            pair.start(EAST)
        time.sleep(6)
        print("  arrived in east: %d" % len(pair.take(EAST, "all", 1)))
    unfederate(pair, EAST, "west")


def hops(pair, proxy):
    """Two brokers that are upstream of each other."""
    for limit in (1, 2, 3):
        for node, other in ((WEST, EAST), (EAST, WEST)):
            channel = pair.connect(node).channel()
            channel.exchange_declare("ring", "fanout", durable=True)
            channel.queue_declare("ring", durable=True)
            channel.queue_bind("ring", "ring", "")
            federate(pair, node, "other", "^ring$", uri=pair.uri(other), max_hops=limit)
        time.sleep(6)
        pair.connect(WEST).channel().basic_publish("ring", "", b"news")
        time.sleep(2)
        print("  max-hops %d: west %d, east %d" % (limit, len(pair.take(WEST, "ring", 1)), len(pair.take(EAST, "ring", 1))))
        for row in pair.control(WEST, "list_bindings", "source_name", "destination_name", "arguments", "--quiet").split("\n"):
            if row.startswith("ring\tfed"):
                print("    %s" % row)
        for node in (WEST, EAST):
            unfederate(pair, node, "other")
        time.sleep(2)


def federated_queue(pair, proxy):
    """When a federated queue draws, and how much."""
    fill(pair, WEST, "jobs", 10)
    pair.connect(EAST).channel().queue_declare("jobs", durable=True)
    federate(pair, EAST, "west", "^jobs$", "queues", uri=pair.uri(WEST))
    time.sleep(3)
    print("  nobody consumes: west %s, east %s" % (pair.queues(WEST)["jobs"], pair.queues(EAST)["jobs"]))
    fill(pair, EAST, "jobs", 3, start=100)
    connection = pair.connect(EAST)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    got = []
    channel.basic_consume("jobs", lambda *args: got.append(args))
    connection.process_data_events(time_limit=3)
    print("  one that holds two of three: west %s, east %s" % (pair.queues(WEST)["jobs"], pair.queues(EAST)["jobs"]))
    for one in got[:2]:
        channel.basic_ack(one[1].delivery_tag)
    connection.process_data_events(time_limit=3)
    print("  it acked them: it has %s more, west %s, east %s" % ([one[3] for one in got[2:]], pair.queues(WEST)["jobs"], pair.queues(EAST)["jobs"]))
    print("    %r" % (got[-1][2].headers if got else None))
    print("    consumers upstream: %r" % pair.control(WEST, "list_consumers", "queue_name", "consumer_tag", "prefetch_count", "arguments", "--quiet"))
    connection.close()
    time.sleep(1)
    print("  it is gone: west %s, east %s" % (pair.queues(WEST)["jobs"], pair.queues(EAST)["jobs"]))
    pair.take(EAST, "jobs", 2)
    fill(pair, WEST, "jobs", 3000)
    connection = pair.connect(EAST)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=5)
    got = []
    channel.basic_consume("jobs", lambda *args: got.append(args))
    connection.process_data_events(time_limit=4)
    print("  one with prefetch 5, and 3000 upstream: west %s, east %s" % (pair.queues(WEST)["jobs"], pair.queues(EAST)["jobs"]))
    print("    %r" % (got[-1][2].headers if got else None))
    connection.close()
    unfederate(pair, EAST, "west")
    pair.take(EAST, "jobs", 2)
    pair.take(WEST, "jobs", 2)
    fill(pair, WEST, "jobs", 10)
    federate(pair, EAST, "west", "^jobs$", "queues", uri=pair.uri(WEST), prefetch_count=3)
    time.sleep(4)
    fill(pair, EAST, "jobs", 2, start=100)
    connection = pair.connect(EAST)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume("jobs", lambda *args: None)
    connection.process_data_events(time_limit=4)
    print("  one that two local messages fill, prefetch-count 3: west %s, east %s" % (pair.queues(WEST)["jobs"], pair.queues(EAST)["jobs"]))
    connection.close()
    unfederate(pair, EAST, "west")


SCENARIOS = dict(
    (one.__name__, one)
    for one in (shovel_modes, reconnect, refused, delete_after, headers, federated_exchange, link_ends, hops, federated_queue)
)

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(SCENARIOS)
    unknown = [name for name in wanted if name not in SCENARIOS]
    if unknown:
        sys.exit("no such scenario: %s; there are %s" % (", ".join(unknown), ", ".join(SCENARIOS)))
    pair = Pair()
    try:
        proxy = Proxy(PROXY, 26670 + EAST)
        for name in wanted:
            print("%s: %s" % (name, SCENARIOS[name].__doc__), flush=True)
            SCENARIOS[name](pair, proxy)
    finally:
        pair.end()
