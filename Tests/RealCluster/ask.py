#!/usr/bin/env python3
"""Asks a real RabbitMQ cluster of three nodes on this machine what "How true is it?" says of clusters.

    apt-get install rabbitmq-server python3-pika
    python3 Tests/RealCluster/ask.py                  # all scenarios, about ten minutes
    python3 Tests/RealCluster/ask.py minority disconnect

The nodes w1, w2 and w3 live in a new folder under the temporary one and listen on the loopback interface, on ports
26671 to 26673; a broker that is installed as a service is not touched. All is gone afterwards.
"""

import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pika

SBIN = sorted(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"))[-1]
QUORUM, STREAM = {"x-queue-type": "quorum"}, {"x-queue-type": "stream"}
PERSISTENT = pika.BasicProperties(delivery_mode=2)


class Cluster:
    nodes = (1, 2, 3)
    plugins = "[]."

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="warren-cluster-")
        cookie = os.path.join(self.folder, ".erlang.cookie")
        with open(cookie, "w") as file:
            file.write("WARREN")
        os.chmod(cookie, 0o600)
        self.processes = {}
        for node in self.nodes:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", 26670 + node)) == 0:
                    sys.exit("something listens on port %d already" % (26670 + node))
        for node in self.nodes:
            self.start(node)
        self.join()

    def join(self):
        for node in self.nodes[1:]:
            for words in (["stop_app"], ["reset"], ["join_cluster", "w1@localhost"], ["start_app"]):
                self.control(node, *words)

    def environment(self, node):
        at = os.path.join(self.folder, str(node))
        os.makedirs(at, exist_ok=True)
        for name, text in (("plugins", self.plugins), ("rabbitmq.conf", "listeners.tcp.local = 127.0.0.1:%d\n" % (26670 + node))):
            with open(os.path.join(at, name), "w") as file:
                file.write(text)
        return dict(
            os.environ,
            HOME=self.folder,
            RABBITMQ_NODENAME="w%d@localhost" % node,
            RABBITMQ_DIST_PORT=str(27670 + node),
            RABBITMQ_MNESIA_BASE=at + "/mnesia",
            RABBITMQ_LOG_BASE=at + "/log",
            RABBITMQ_ENABLED_PLUGINS_FILE=at + "/plugins",
            RABBITMQ_CONFIG_FILE=at + "/rabbitmq",
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1",
        )

    def start(self, node):
        """Starts a node, and waits until it serves."""
        self.processes[node] = subprocess.Popen(
            [SBIN + "/rabbitmq-server"],
            env=self.environment(node),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(120):
            try:
                self.connect(node).close()
                time.sleep(2)
                return
            except pika.exceptions.AMQPError:
                time.sleep(0.5)
        sys.exit("node w%d does not start" % node)

    def kill(self, *nodes):
        for node in nodes:
            os.killpg(self.processes[node].pid, signal.SIGKILL)
            self.processes[node].wait()

    def control(self, node, *words):
        """Runs rabbitmqctl, and returns what it prints."""
        words = [SBIN + "/rabbitmqctl", "-n", "w%d@localhost" % node, *words]
        done = subprocess.run(words, env=self.environment(node), cwd=self.folder, capture_output=True, text=True, timeout=90)
        return done.stdout.strip()

    def connect(self, node):
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", 26670 + node, heartbeat=0))

    def declare(self, node, queue, arguments=None, count=0):
        """Declares a durable queue on a node, and has so many messages confirmed there."""
        connection = self.connect(node)
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.confirm_delivery()
        for _ in range(count):
            channel.basic_publish("", queue, b"x", properties=PERSISTENT)
        connection.close()
        time.sleep(1)

    def end(self):
        for process in self.processes.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def ask(cluster, node, questions, patience):
    """Asks each question on a connection of its own, all at once, and prints what came and after how long."""
    answers = {}

    def one(name, question):
        began = time.time()
        try:
            channel = cluster.connect(node).channel()
            began = time.time()
            answer = str(question(channel))
        except Exception as error:
            answer = "%s %s" % (type(error).__name__, error)
        answers[name] = "%5.1f s  %s" % (time.time() - began, answer[:230])

    threads = [threading.Thread(target=one, args=item, daemon=True) for item in questions.items()]
    for thread in threads:
        thread.start()
    end = time.time() + patience
    for thread in threads:
        thread.join(max(0, end - time.time()))
    for name in questions:
        print("  %-12s %s" % (name, answers.get(name, "no answer in %d s" % patience)))


def publish(queue):
    def question(channel):
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"x", mandatory=True, properties=PERSISTENT)
        return "confirmed"

    return question


def consume(queue):
    def question(channel):
        channel.basic_consume(queue, lambda *_: None)
        return "consume-ok"

    return question


def questions(queue):
    return {
        "passive": lambda channel: channel.queue_declare(queue, passive=True).method,
        "get": lambda channel: channel.basic_get(queue)[0],
        "purge": lambda channel: channel.queue_purge(queue).method,
        "publish": publish(queue),
        "consume": consume(queue),
        "new quorum": lambda channel: channel.queue_declare(queue + "-q", durable=True, arguments=QUORUM).method,
        "new stream": lambda channel: channel.queue_declare(queue + "-s", durable=True, arguments=STREAM).method,
    }


class Publisher(threading.Thread):
    """Publishes every ten milliseconds, and notes when what was confirmed."""

    def __init__(self, node, queue):
        super().__init__(daemon=True)
        self.parameters = pika.ConnectionParameters("127.0.0.1", 26670 + node, heartbeat=0)
        self.queue, self.acks, self.nacks = queue, [], []

    def run(self):
        connection = pika.SelectConnection(self.parameters, lambda made: made.channel(on_open_callback=self.begin))
        self.loop = connection.ioloop
        self.loop.start()

    def begin(self, channel):
        self.channel = channel
        channel.confirm_delivery(lambda frame: self.hear(frame.method))
        self.tick()

    def tick(self):
        if self.channel.is_open:
            self.channel.basic_publish("", self.queue, b"x", mandatory=True, properties=PERSISTENT)
            self.loop.call_later(0.01, self.tick)

    def hear(self, method):
        (self.acks if isinstance(method, pika.spec.Basic.Ack) else self.nacks).append(time.time())

    def longest(self):
        return max([later - sooner for sooner, later in zip(self.acks, self.acks[1:])], default=0)


def minority(cluster):
    """Two of three nodes are killed, the leader of the quorum queue among them; the third is asked."""
    cluster.declare(2, "st", STREAM)
    cluster.declare(1, "min", QUORUM, 5)
    cluster.kill(1, 2)
    time.sleep(1)
    ask(cluster, 3, questions("min"), 70)
    for node in (1, 2):
        cluster.start(node)


def majority_lost(cluster):
    """Two of three nodes are killed, and the leader is left; it is asked."""
    cluster.declare(3, "maj", QUORUM, 5)
    cluster.kill(1, 2)
    time.sleep(1)
    ask(cluster, 3, questions("maj"), 70)
    for node in (1, 2):
        cluster.start(node)


def frozen(cluster):
    """The node that leads a quorum queue is frozen for 25 s; a publisher of another one was there before."""
    cluster.declare(1, "fro", QUORUM, 5)
    one = Publisher(2, "fro")
    one.start()
    time.sleep(2)
    os.killpg(cluster.processes[1].pid, signal.SIGSTOP)
    time.sleep(10)
    acks = len(one.acks)
    ask(cluster, 3, {"publish": publish("fro"), "get": lambda channel: channel.basic_get("fro")[0]}, 15)
    print("  old one      %.1f s without a confirm, and %d confirms in the 15 s after" % (one.longest(), len(one.acks) - acks))
    os.killpg(cluster.processes[1].pid, signal.SIGCONT)
    time.sleep(3)


def delete(cluster):
    """A quorum queue is deleted while its leader's node is down."""
    cluster.declare(1, "del", QUORUM, 5)
    cluster.kill(1)
    time.sleep(1)
    ask(cluster, 3, {"delete": lambda channel: channel.queue_delete("del").method}, 20)
    cluster.start(1)


def stream(cluster):
    """The node of a stream's writer is killed while publishers of the two others go on."""
    cluster.declare(1, "log", STREAM)
    publishers = [Publisher(node, "log") for node in (2, 3)]
    for one in publishers:
        one.start()
    time.sleep(2)
    cluster.kill(1)
    time.sleep(5)
    for node, one in zip((2, 3), publishers):
        print("  node %d       longest time without a confirm %.3f s, nacks %d" % (node, one.longest(), len(one.nacks)))
    cluster.start(1)


def mirror(cluster):
    """The master of a mirrored queue is stopped in good order while no mirror is synchronised."""
    cluster.control(1, "set_policy", "ha", "^ha", '{"ha-mode":"all"}')
    cluster.declare(1, "ha", None, 5)
    for node in (2, 3):
        cluster.control(node, "stop_app")
        cluster.control(node, "start_app")
    one = Publisher(2, "ha")
    one.start()
    time.sleep(2)
    cluster.control(1, "stop_app")
    time.sleep(1)
    known = {name: question for name, question in questions("ha").items() if "new" not in name}
    ask(cluster, 3, known, 70)
    print("  publisher    acks %d, nacks %d" % (len(one.acks), len(one.nacks)))
    cluster.control(1, "start_app")


def synchronise(cluster):
    """A mirror of a queue with 200,000 messages of 100 bytes begins, with ha-sync-mode automatic."""
    policy = '{"ha-mode":"exactly","ha-params":2,"ha-sync-mode":"automatic"}'
    cluster.control(1, "set_policy", "sync", "^sync", policy)
    for node in (2, 3):
        cluster.control(node, "stop_app")
    channel = cluster.connect(1).channel()
    channel.queue_declare("sync", durable=True)
    for _ in range(200_000):
        channel.basic_publish("", "sync", b"x" * 100, properties=PERSISTENT)
    channel.confirm_delivery()
    channel.basic_publish("", "sync", b"end", properties=PERSISTENT)
    one = Publisher(1, "sync")
    one.start()
    time.sleep(1)
    cluster.control(2, "start_app")
    time.sleep(12)
    print("  publisher    longest time without a confirm %.1f s" % one.longest())
    cluster.control(3, "start_app")


def disconnect(cluster):
    """Two of three nodes lose each other for a moment."""
    cluster.control(1, "eval", "erlang:disconnect_node(w2@localhost).")
    time.sleep(3)
    for node in (1, 2, 3):
        found = cluster.control(node, "eval", "{rabbit_node_monitor:partitions(), lists:sort(rabbit_nodes:all_running())}.")
        print("  w%d           partitions and running: %s" % (node, "".join(found.split())))
    for words in ("stop_app", "start_app"):
        for node in (1, 2):
            cluster.control(node, words)


# Queues in the order in which a client of one node declares them: name, node, type, and what it says of its place.
PLACES = [
    ("s1", 2, "stream", {"x-initial-cluster-size": 1}),
    ("s2", 2, "stream", {"x-initial-cluster-size": 2}),
    ("s3", 2, "stream", {"x-initial-cluster-size": 2}),
    ("s4", 2, "stream", {"x-initial-cluster-size": 2, "x-queue-leader-locator": "balanced"}),
    ("s5", 1, "stream", {"x-queue-leader-locator": "least-leaders"}),
    ("s6", 1, "stream", {"x-queue-leader-locator": "random"}),
    ("s7", 1, "stream", {"x-initial-cluster-size": 1, "x-queue-leader-locator": "balanced"}),
    ("q1", 2, "quorum", {"x-quorum-initial-group-size": 1}),
    ("q2", 2, "quorum", {"x-quorum-initial-group-size": 2}),
    ("q3", 2, "quorum", {"x-queue-leader-locator": "balanced"}),
    ("q4", 1, "quorum", {"x-queue-leader-locator": "random"}),
    ("q5", 3, "quorum", {"x-quorum-initial-group-size": 2, "x-queue-leader-locator": "balanced"}),
    ("q6", 3, "quorum", {"x-queue-leader-locator": "client-local"}),
    ("c1", 3, "classic", {}),
    ("c2", 3, "classic", {"x-queue-master-locator": "min-masters"}),
    ("c3", 3, "classic", {"x-queue-master-locator": "min-masters"}),
    ("c4", 3, "classic", {"x-queue-master-locator": "min-masters"}),
    ("c5", 3, "classic", {"x-queue-master-locator": "client-local"}),
]


def places(cluster):
    """Streams, quorum queues and classic queues are declared one after the other: where each comes to lie."""
    for name, node, kind, arguments in PLACES:
        cluster.declare(node, name, dict(arguments, **{"x-queue-type": kind}))
    time.sleep(2)
    rows = cluster.control(1, "list_queues", "name", "pid", "leader", "members", "--quiet", "--no-table-headers")
    for row in sorted(rows.split("\n")):
        name, pid, leader, members = (row.split("\t") + ["", "", ""])[:4]
        if name not in {one[0] for one in PLACES}:
            continue
        leader = leader or pid.split("@")[0].lstrip("<")
        members = sorted(one.split("@")[0] for one in members.strip("[]").split(", ") if one)
        print("  %-12s %s%s" % (name, leader.split("@")[0], "  of " + ", ".join(members) if members else ""))


SCENARIOS = [minority, majority_lost, frozen, delete, stream, mirror, synchronise, disconnect, places]


def main():
    wanted = [one for one in SCENARIOS if len(sys.argv) < 2 or one.__name__ in sys.argv[1:]]
    unknown = set(sys.argv[1:]) - {one.__name__ for one in SCENARIOS}
    if unknown:
        sys.exit("no such scenario: %s; there are %s" % (", ".join(sorted(unknown)), ", ".join(one.__name__ for one in SCENARIOS)))
    cluster = Cluster()
    try:
        for scenario in wanted:
            print("%s: %s" % (scenario.__name__, scenario.__doc__), flush=True)
            scenario(cluster)
            sys.stdout.flush()
    finally:
        cluster.end()


if __name__ == "__main__":
    main()
