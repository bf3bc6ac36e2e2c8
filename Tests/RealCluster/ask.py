#!/usr/bin/env python3
"""Asks a real RabbitMQ cluster of three nodes on this machine what "How true is it?" says of clusters.

    apt-get install rabbitmq-server python3-pika
    python3 Tests/RealCluster/ask.py                  # all scenarios, about twenty minutes
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

    def control(self, node, *words, tool="rabbitmqctl"):
        """Runs rabbitmqctl, and returns what it prints."""
        words = [SBIN + "/" + tool, "-n", "w%d@localhost" % node, *words]
        done = subprocess.run(words, env=self.environment(node), cwd=self.folder, capture_output=True, text=True, timeout=90)
        return (done.stdout if tool == "rabbitmqctl" else done.stdout + done.stderr).strip()

    def queues(self, node, *words):
        """Runs rabbitmq-queues, and prints what it was asked, how long it took and what it said."""
        began = time.time()
        said = " ".join(self.control(node, *words, tool="rabbitmq-queues").split())
        print("  %-40s %4.1f s  %s" % (" ".join(words), time.time() - began, said[-200:]), flush=True)

    def group(self, node, queue):
        """Who leads a queue, and who are its members."""
        rows = self.control(node, "list_queues", "name", "leader", "members", "online", "--quiet", "--no-table-headers")
        for row in rows.split("\n"):
            name, leader, members, online = (row.split("\t") + ["", "", ""])[:4]
            if name == queue:
                short = lambda text: ", ".join(sorted(one.split("@")[0] for one in text.strip("[]").split(", ") if one))
                return "%s leads %s; online %s" % (short(leader), short(members), short(online))
        return "no such queue"

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


class Subscriber(threading.Thread):
    """Consumes with a prefetch, keeps what it gets unacknowledged or acknowledges it, and notes what happens."""

    def __init__(self, node, queue, ack=True):
        super().__init__(daemon=True)
        self.parameters = pika.ConnectionParameters("127.0.0.1", 26670 + node, heartbeat=0)
        self.queue, self.ack, self.got, self.redelivered, self.end = queue, ack, [], 0, ""

    def run(self):
        try:
            channel = pika.BlockingConnection(self.parameters).channel()
            channel.basic_qos(prefetch_count=5)
            channel.basic_consume(self.queue, self.hear)
            channel.start_consuming()
            self.end = "cancelled"
        except Exception as error:
            self.end = "%s %s" % (type(error).__name__, error)

    def hear(self, channel, method, properties, body):
        self.got.append(time.time())
        self.redelivered += method.redelivered
        if self.ack:
            channel.basic_ack(method.delivery_tag)

    def __str__(self):
        return "%d deliveries, %d again; %s" % (len(self.got), self.redelivered, self.end or "goes on")


def grow(cluster):
    """A quorum queue of one member grows, and its first node is killed."""
    cluster.declare(1, "one", dict(QUORUM, **{"x-quorum-initial-group-size": 1}), 5)
    cluster.declare(1, "clas", {"x-queue-type": "classic"})
    one, two = Publisher(3, "one"), Subscriber(3, "one")
    one.start()
    two.start()
    time.sleep(2)
    cluster.queues(1, "add_member", "one", "w2@localhost")
    print("  " + cluster.group(1, "one"))
    cluster.queues(1, "add_member", "one", "w2@localhost")
    cluster.queues(1, "add_member", "one", "w9@localhost")
    cluster.queues(1, "add_member", "none", "w2@localhost")
    cluster.queues(1, "add_member", "clas", "w2@localhost")
    cluster.queues(1, "delete_member", "clas", "w2@localhost")
    cluster.declare(1, "stre", STREAM)
    cluster.queues(1, "add_member", "stre", "w2@localhost")
    cluster.queues(1, "delete_member", "stre", "w2@localhost")
    cluster.queues(1, "delete_member", "one", "w3@localhost")
    cluster.queues(1, "grow", "w3@localhost", "even", "--queue-pattern", "^one$")
    print("  " + cluster.group(1, "one"))
    print("  publisher    longest time without a confirm %.3f s, nacks %d" % (one.longest(), len(one.nacks)))
    print("  subscriber   %s" % two)
    cluster.kill(1)
    time.sleep(3)
    print("  " + cluster.group(3, "one"))
    print("  publisher    longest time without a confirm %.3f s, nacks %d" % (one.longest(), len(one.nacks)))
    print("  subscriber   %s" % two)
    cluster.start(1)
    cluster.queues(1, "delete_member", "one", "w1@localhost")
    cluster.queues(1, "delete_member", "one", "w2@localhost")
    print("  " + cluster.group(3, "one"))
    cluster.queues(1, "delete_member", "one", "w3@localhost")
    print("  publisher    longest time without a confirm %.3f s, nacks %d" % (one.longest(), len(one.nacks)))
    print("  subscriber   %s" % two)
    cluster.queues(2, "add_member", "one", "w1@localhost")
    print("  " + cluster.group(3, "one"))


def leader_leaves(cluster):
    """The leader's member is deleted while clients of all nodes are there."""
    cluster.declare(1, "lea", QUORUM, 100)
    publishers = [Publisher(node, "lea") for node in (1, 2)]
    keeper, worker = Subscriber(1, "lea", ack=False), Subscriber(2, "lea")
    for one in publishers + [keeper, worker]:
        one.start()
    time.sleep(2)
    cluster.queues(1, "delete_member", "lea", "w1@localhost")
    time.sleep(3)
    print("  " + cluster.group(1, "lea"))
    for node, one in zip((1, 2), publishers):
        print("  publisher %d  longest time without a confirm %.3f s, nacks %d, acks in the last second %d" % (node, one.longest(), len(one.nacks), sum(one.acks[-1] - at < 1 for at in one.acks)))
    print("  keeper 1     %s" % keeper)
    print("  worker 2     %s" % worker)
    cluster.queues(1, "delete_member", "lea", "w2@localhost")
    time.sleep(3)
    print("  " + cluster.group(1, "lea"))
    for node, one in zip((1, 2), publishers):
        print("  publisher %d  longest time without a confirm %.3f s, nacks %d" % (node, one.longest(), len(one.nacks)))
    cluster.queues(1, "add_member", "lea", "w1@localhost")
    cluster.queues(1, "add_member", "lea", "w2@localhost")
    print("  " + cluster.group(1, "lea"))


def rescued(cluster):
    """One of two members is killed, and a third one is added to the one that is left."""
    cluster.declare(1, "two", dict(QUORUM, **{"x-quorum-initial-group-size": 2}), 5)
    print("  " + cluster.group(1, "two"))
    gone = 2 if "w2" in cluster.group(1, "two") else 3
    other = 5 - gone
    one = Publisher(other, "two")
    one.start()
    time.sleep(2)
    cluster.kill(gone)
    time.sleep(5)
    acks = len(one.acks)
    cluster.queues(1, "add_member", "two", "w%d@localhost" % other)
    time.sleep(3)
    print("  " + cluster.group(1, "two"))
    print("  publisher    longest time without a confirm %.3f s, nacks %d, acks after %d" % (one.longest(), len(one.nacks), len(one.acks) - acks))
    cluster.queues(1, "delete_member", "two", "w%d@localhost" % gone)
    print("  " + cluster.group(1, "two"))
    cluster.start(gone)
    time.sleep(3)
    print("  " + cluster.group(1, "two"))
    # What its member left behind is on its disk still.
    cluster.queues(1, "add_member", "two", "w%d@localhost" % gone)
    print("  " + cluster.group(1, "two"))
    print("  publisher    longest time without a confirm %.3f s, nacks %d" % (one.longest(), len(one.nacks)))


def no_majority(cluster):
    """Two of three nodes are killed, and their members are to be deleted at the one that is left."""
    cluster.declare(1, "nom", QUORUM, 5)
    cluster.declare(2, "nol", QUORUM, 5)
    cluster.kill(2, 3)
    time.sleep(1)
    print("  the leader is left:")
    cluster.queues(1, "delete_member", "nom", "w2@localhost")
    print("  " + cluster.group(1, "nom"))
    cluster.queues(1, "delete_member", "nom", "w3@localhost")
    cluster.queues(1, "add_member", "nom", "w3@localhost")
    print("  it is not:")
    cluster.queues(1, "delete_member", "nol", "w2@localhost")
    cluster.queues(1, "shrink", "w2@localhost")
    print("  " + cluster.group(1, "nol"))
    cluster.queues(1, "rebalance", "quorum")
    for node in (2, 3):
        cluster.start(node)
    time.sleep(3)
    print("  " + cluster.group(1, "nom"))
    print("  " + cluster.group(1, "nol"))


def rebalance(cluster):
    """Seven quorum queues that one node leads are rebalanced, while clients are there."""
    names = ["b%d" % number for number in range(7)]
    for number, name in enumerate(names):
        cluster.declare(1, name, QUORUM, 10 * (7 - number))
    publishers = [Publisher(1, name) for name in names]
    subscribers = [Subscriber(2, name) for name in names]
    for one in publishers + subscribers:
        one.start()
    time.sleep(3)
    cluster.queues(1, "rebalance", "quorum", "--queue-pattern", "^b")
    time.sleep(3)
    for name, one, two in zip(names, publishers, subscribers):
        print("  %s: %s; longest without a confirm %.3f s, nacks %d; %s" % (name, cluster.group(1, name), one.longest(), len(one.nacks), two))


def rebalance_down(cluster):
    """Six quorum queues that one node leads are rebalanced while another node is down."""
    names = ["d%d" % number for number in range(6)]
    for name in names:
        cluster.declare(1, name, QUORUM, 5)
    cluster.kill(3)
    publishers = [Publisher(1, name) for name in names]
    for one in publishers:
        one.start()
    time.sleep(3)
    cluster.queues(1, "rebalance", "quorum", "--queue-pattern", "^d")
    time.sleep(45)
    for name, one in zip(names, publishers):
        print("  %s: %s; longest without a confirm %.3f s, acks %d, nacks %d" % (name, cluster.group(1, name), one.longest(), len(one.acks), len(one.nacks)))
    cluster.start(3)


def behind(cluster):
    """A follower is killed, 50,000 messages pass and are acknowledged, and it is back; then it is frozen while a publisher goes on."""
    cluster.declare(1, "beh", QUORUM, 5)
    cluster.kill(3)
    channel = cluster.connect(1).channel()
    for round in range(5):
        for _ in range(10_000):
            channel.basic_publish("", "beh", b"x" * 100, properties=PERSISTENT)
        two = Subscriber(2, "beh")
        if round < 4:
            two.start()
            time.sleep(6)
            print("  subscriber   %s" % two)
    time.sleep(2)
    cluster.queues(1, "quorum_status", "beh", "--formatter", "json")
    cluster.start(3)
    cluster.queues(3, "quorum_status", "beh", "--formatter", "json")
    one = Publisher(1, "beh")
    one.start()
    time.sleep(2)
    os.killpg(cluster.processes[3].pid, signal.SIGSTOP)
    time.sleep(10)
    os.killpg(cluster.processes[3].pid, signal.SIGCONT)
    time.sleep(3)
    print("  frozen       longest time without a confirm %.3f s, nacks %d" % (one.longest(), len(one.nacks)))
    cluster.queues(3, "quorum_status", "beh", "--formatter", "json")


def flapping(cluster):
    """The link between the nodes of a leader and of a follower is lost every 3 s, ten times."""
    cluster.declare(1, "fla", QUORUM, 5)
    publishers = [Publisher(node, "fla") for node in (1, 2, 3)]
    for one in publishers:
        one.start()
    time.sleep(2)
    began = time.time()
    for turn in range(10):
        cluster.control(1, "eval", "erlang:disconnect_node(w2@localhost).")
        time.sleep(max(0, began + 3 * (turn + 1) - time.time()))
    ended = time.time()
    time.sleep(30)
    print("  " + cluster.group(1, "fla"))
    for node, one in zip((1, 2, 3), publishers):
        gaps = ["%.1f to %.1f s" % (sooner - began, later - began) for sooner, later in zip(one.acks, one.acks[1:]) if later - sooner > 0.5]
        last = one.acks[-1] - ended
        print("  publisher %d  acks %d, nacks %d, the last %.1f s after the end; without a confirm: %s" % (node, len(one.acks), len(one.nacks), last, "; ".join(gaps) or "never for 0.5 s"))
    for node in (1, 2, 3):
        found = cluster.control(node, "eval", "{rabbit_node_monitor:partitions(), lists:sort(rabbit_nodes:all_running())}.")
        print("  w%d           partitions and running: %s" % (node, "".join(found.split())))


def stopped(cluster):
    """A node with 3,000 classic queues is stopped in good order, while others publish to a queue of each kind there and ask for one."""
    cluster.control(1, "set_policy", "sto", "^stm$", '{"ha-mode":"all","ha-sync-mode":"automatic"}')
    cluster.declare(1, "stc", None, 5)
    cluster.declare(1, "stm", None, 5)
    cluster.declare(1, "stq", QUORUM, 5)
    connection = cluster.connect(1)
    channel = connection.channel()
    for queue in range(3000):
        channel.queue_declare("st%d" % queue, durable=True)
        for _ in range(20):
            channel.basic_publish("", "st%d" % queue, b"x" * 200, properties=PERSISTENT)
    connection.close()
    time.sleep(5)
    publishers = [Publisher(node, queue) for queue in ("stc", "stm", "stq") for node in (1, 2)]
    subscriber = Subscriber(3, "stc")
    for one in publishers + [subscriber]:
        one.start()
    time.sleep(2)
    began = time.time()
    process = cluster.processes[1]
    with open(glob.glob(cluster.folder + "/1/mnesia/*.pid")[0]) as file:
        os.kill(int(file.read()), signal.SIGTERM)
    for at in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0):
        threading.Thread(target=passive, args=(cluster, "stc", began, at), daemon=True).start()
    while process.poll() is None:
        if subscriber.end and not isinstance(subscriber.end, tuple):
            subscriber.end = (time.time() - began, subscriber.end)
        time.sleep(0.01)
    print("  the process  gone after %.1f s" % (time.time() - began))
    time.sleep(4)
    print("  subscriber 3 %s" % (subscriber.end,))
    for node, one in zip((1, 2) * 3, publishers):
        gaps = ["%.2f to %.2f s" % (sooner - began, later - began) for sooner, later in zip(one.acks, one.acks[1:]) if later - sooner > 0.1 and later > began]
        nacks = "%d nacks from %.2f to %.2f s" % (len(one.nacks), one.nacks[0] - began, one.nacks[-1] - began) if one.nacks else "no nack"
        print("  publisher %d  of %s: last word after %.2f s; %s; without a confirm: %s" % (node, one.queue, (one.acks + one.nacks)[-1] - began, nacks, "; ".join(gaps) or "never for 0.1 s"))
    cluster.start(1)


def passive(cluster, queue, began, at):
    """Looks for a queue at a moment, and prints what came and when."""
    channel = cluster.connect(2).channel()
    time.sleep(max(0, began + at - time.time()))
    try:
        channel.queue_declare(queue, passive=True)
        said = "there"
    except Exception as error:
        said = str(error)
    print("  passive      at %.1f s, answered at %.2f s: %s" % (at, time.time() - began, said[:110]), flush=True)


SCENARIOS = [minority, majority_lost, frozen, delete, stream, mirror, synchronise, disconnect, places, grow, leader_leaves, rescued, no_majority, rebalance, rebalance_down, behind, flapping, stopped]


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
