// What queues, clients and nodes hold at a moment: folded from facts, forward from the nearest snapshot.
class Queue {
  constructor() { this.places = []; this.messages = []; this.head = 0; this.held = []; this.next = 0; this.placeOf = new Map(); this.others = new Map(); }
  get depth() { return this.messages.length - this.head; }
  append(message) {
    this.stand(message, this.next);
    this.places.push(this.next++);
    this.messages.push(message);
  }
  /// A queue with two masters has some messages twice: their other places are kept beside.
  stand(message, place) {
    const other = this.placeOf.get(message);
    if (other !== undefined) this.others.set(message, [...(this.others.get(message) ?? []), other]);
    this.placeOf.set(message, place);
  }
  find(place) {
    let low = this.head, high = this.places.length;
    while (low < high) { const middle = (low + high) >> 1; if (this.places[middle] < place) low = middle + 1; else high = middle; }
    return low;
  }
  remove(message) {
    const place = this.placeOf.get(message);
    if (place === undefined) return -1;
    const index = this.find(place);
    if (index >= this.places.length || this.places[index] !== place || this.messages[index] !== message) return -1;
    const other = this.others.get(message)?.pop();
    if (other === undefined) this.placeOf.delete(message); else this.placeOf.set(message, other);
    if (index === this.head) {
      this.head++;
      if (this.head > 4096 && this.head * 2 > this.places.length) {
        this.places.splice(0, this.head); this.messages.splice(0, this.head); this.head = 0;
      }
    } else { this.places.splice(index, 1); this.messages.splice(index, 1); }
    return place;
  }
  release(message) {
    const index = this.held.findIndex(one => one.message === message);
    return index < 0 ? -1 : this.held.splice(index, 1)[0].place;
  }
  putBack(message, place) {
    this.stand(message, place);
    const index = this.find(place);
    if (index === this.head && this.head > 0) {
      this.head--; this.places[this.head] = place; this.messages[this.head] = message;
    } else { this.places.splice(index, 0, place); this.messages.splice(index, 0, message); }
  }
}

class World {
  constructor() { this.queues = new Map(); this.down = new Set(); this.frozen = new Set(); this.leaders = new Map(); this.faults = new Set(); this.connections = new Map(); this.sides = new Map(); this.gone = new Set(); this.time = 0; this.event = 0; }
  queue(symbol) {
    let queue = this.queues.get(symbol);
    if (!queue) this.queues.set(symbol, queue = new Queue());
    return queue;
  }
  static restored(packed) {
    const world = new World();
    for (let left = packed.next(); left > 0; left--) {
      const queue = world.queue(packed.next());
      queue.next = packed.next();
      const depth = packed.next();
      queue.places = Array.from(packed.differences(new Float64Array(depth)));
      queue.messages = Array.from(packed.differences(new Float64Array(depth)));
      for (let i = 0; i < depth; i++) queue.stand(queue.messages[i], queue.places[i]);
      for (let held = packed.next(); held > 0; held--) {
        const one = { message: packed.next(), peer: packed.next(), place: packed.next() };
        queue.held.push(one);
      }
    }
    for (let left = packed.next(); left > 0; left--) world.down.add(packed.next());
    for (let left = packed.next(); left > 0; left--) world.leaders.set(packed.next(), packed.next());
    for (let left = packed.next(); left > 0; left--) world.faults.add(packed.next());
    for (let left = packed.next(); left > 0; left--) world.connections.set(packed.next(), { client: packed.next(), node: packed.next() });
    for (let left = packed.next(); left > 0; left--) {
      const sides = new Map();
      const symbol = packed.next();
      world.sides.set(symbol, sides);
      for (let nodes = packed.next(); nodes > 0; nodes--) { const node = packed.next(); sides.set(node, packed.next()); if (packed.next()) world.gone.add(`${symbol} ${node}`); }
    }
    return world;
  }
  apply(w, i) {
    this.time = w.time[i];
    this.event = w.event[i];
    const sides = this.sides.get(w.subject[i]), before = sides && this.queue(w.subject[i]).depth;
    this.change(w, i);
    const more = sides ? this.queue(w.subject[i]).depth - before : 0;
    if (more) { sides.set(w.node[i], (sides.get(w.node[i]) ?? 0) + more); this.keep(w.subject[i], sides); }
  }
  /// A mirror becomes master while the one before is up: from now on each side counts what it has.
  part(symbol, node) {
    // Its own copies came back to life just before, in the same event.
    const { back } = this, own = back?.event === this.event && back.symbol === symbol && back.node === node ? back.count : 0;
    const before = this.leaders.get(symbol) ?? run.homes[symbol];
    this.succeed(symbol, node);
    if (before !== undefined && before !== node && !this.down.has(before) && !this.sides.has(symbol)) this.sides.set(symbol, new Map([[before, this.queue(symbol).depth - own], [node, own]]));
    this.leaders.set(symbol, node);
  }
  /// What a master that has gone had is a new master's, if it is the one that led last, or no other one has gone.
  succeed(symbol, node) {
    const sides = this.sides.get(symbol), gone = [...sides?.keys() ?? []].filter(one => this.gone.has(`${symbol} ${one}`));
    if (!gone.length) return;
    const heir = gone.find(one => one === this.leaders.get(symbol)) ?? gone[0];
    this.gone.delete(`${symbol} ${heir}`);
    const all = [...sides].filter(([one]) => one !== node).map(([one, n]) => one === heir ? [node, n + (sides.get(node) ?? 0)] : [one, n]);
    this.sides.set(symbol, new Map(all));
  }
  /// Nobody serves what a node had; if it led last, another master does.
  end(node) {
    for (const [symbol, sides] of this.sides) {
      if (!sides.has(node)) continue;
      this.gone.add(`${symbol} ${node}`);
      const other = [...sides.keys()].find(one => !this.gone.has(`${symbol} ${one}`));
      if (this.leaders.get(symbol) === node && other !== undefined) this.leaders.set(symbol, other);
      this.keep(symbol, sides);
    }
  }
  /// Sides that have gone and have nothing are none.
  keep(symbol, sides) {
    for (const [node, n] of sides) if (n <= 0 && this.gone.delete(`${symbol} ${node}`)) sides.delete(node);
    if (sides.size < 2) { for (const node of sides.keys()) this.gone.delete(`${symbol} ${node}`); this.sides.delete(symbol); }
  }
  change(w, i) {
    const message = w.message[i], variant = w.variant[i], subject = w.subject[i];
    switch (w.kind[i]) {
      case KIND["message.routed"]: if (variant !== 1) this.queue(subject).append(message); break;
      case KIND["message.recovered"]:
        if (variant !== 1) break;
        this.queue(subject).append(message);
        if (this.back?.event !== this.event || this.back.symbol !== subject || this.back.node !== w.node[i]) this.back = { event: this.event, symbol: subject, node: w.node[i], count: 0 };
        this.back.count++;
        break;
      case KIND["delivery.sent"]: {
        const queue = this.queue(subject), place = queue.remove(message);
        if (!(variant & 2)) queue.held.push({ message, peer: w.peer[i], place: place < 0 ? queue.next : place });
        break;
      }
      case KIND["delivery.acked"]: this.queue(subject).release(message); break;
      case KIND["delivery.requeued"]: {
        const queue = this.queue(subject), place = queue.release(message);
        queue.putBack(message, place < 0 ? queue.next : place);
        break;
      }
      case KIND["message.dead-lettered"]: if (!(variant & 64)) this.leave(subject, message, (variant & 128) !== 0); break;
      case KIND["message.dropped"]: if (w.detail[i] <= 1) this.leave(subject, message, w.detail[i] === 1); break;
      case KIND["queue.declared"]: this.queue(subject); break;
      case KIND["node.started"]: this.down.delete(w.node[i]); this.frozen.delete(w.node[i]); break;
      case KIND["node.crashed"]: case KIND["node.stopped"]: this.down.add(w.node[i]); this.end(w.node[i]); break;
      case KIND["node.yielded"]: this.end(w.node[i]); break;
      case KIND["node.frozen"]: this.frozen.add(w.node[i]); break;
      case KIND["node.thawed"]: this.frozen.delete(w.node[i]); break;
      case KIND["leader.elected"]: this.leaders.set(subject, w.node[i]); break;
      case KIND["mirror.promoted"]: this.part(subject, w.node[i]); break;
      case KIND["fault.began"]: this.faults.add(w.detail[i]); break;
      case KIND["fault.ended"]: this.faults.delete(w.detail[i]); break;
      case KIND["connection.opened"]: this.connections.set(w.detail[i], { client: w.peer[i], node: w.node[i] }); break;
      case KIND["connection.closed"]: this.connections.delete(w.detail[i]); break;
    }
  }
  leave(subject, message, wasHeld) {
    const queue = this.queue(subject);
    if (wasHeld) { if (queue.release(message) < 0) queue.remove(message); }
    else if (queue.remove(message) < 0) queue.release(message);
  }
  /// Of some queues together: how many wait, and what consumers hold.
  sum(symbols) {
    let depth = 0; const held = [];
    for (const symbol of symbols) {
      const queue = this.queues.get(symbol);
      if (queue) { depth += queue.depth; held.push(...queue.held); }
    }
    return { depth, held };
  }
  isConnected(node) {
    for (const one of this.connections.values()) if (one.client === node) return true;
    return false;
  }
}
