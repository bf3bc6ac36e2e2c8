// Publishes messages of 1 KiB to a queue of a real broker, with confirms, as fast as they are taken.
//
//     confirms PORT COUNT WINDOW
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
    int port = atoi(argv[1]);
    long count = atol(argv[2]), window = atol(argv[3]);
    amqp_connection_state_t c = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(c);
    if (amqp_socket_open(socket, "127.0.0.1", port)) return 1;
    amqp_login(c, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
    amqp_channel_open(c, 1);
    amqp_queue_declare(c, 1, amqp_cstring_bytes("bench-c"), 0, 1, 0, 0, amqp_empty_table);
    amqp_queue_purge(c, 1, amqp_cstring_bytes("bench-c"));
    amqp_confirm_select(c, 1);
    char body[1024];
    memset(body, '.', sizeof body);
    amqp_bytes_t bytes = {sizeof body, body};
    double start = now();
    long sent = 0, confirmed = 0, base = 1;
    char *done = calloc(count + 2, 1);
    while (confirmed < count) {
        while (sent < count && sent - confirmed < window) {
            amqp_basic_publish(c, 1, amqp_empty_bytes, amqp_cstring_bytes("bench-c"), 0, 0, NULL, bytes);
            sent++;
        }
        amqp_frame_t frame;
        if (amqp_simple_wait_frame(c, &frame) != AMQP_STATUS_OK) return 1;
        if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD) return 1;
        amqp_basic_ack_t *ack = frame.payload.method.decoded;
        long first = ack->multiple ? base : (long)ack->delivery_tag;
        for (long tag = first; tag <= (long)ack->delivery_tag; tag++)
            if (!done[tag]) done[tag] = 1, confirmed++;
        while (base <= count && done[base]) base++;
        amqp_maybe_release_buffers(c);
    }
    printf("{\"msgs_per_s\": %f}\n", count / (now() - start));
    amqp_queue_delete(c, 1, amqp_cstring_bytes("bench-c"), 0, 0);
    amqp_connection_close(c, AMQP_REPLY_SUCCESS);
    return 0;
}
