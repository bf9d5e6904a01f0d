/* A server that streams tokens at a known rate and remembers when it sent each one.
 *
 *   tokenserver CAPACITY
 *
 * Listens on a free port of 127.0.0.1 and prints it. Every POST is answered with a chunked stream of
 * OpenAI chat-completion events: a role, the tokens, the usage, [DONE]. The query says which stream this is:
 *
 *   stream=12   its number; token 345 has the text " s12t345"
 *   tokens=100  how many
 *   rate=50     tokens per second
 *   delay=500   milliseconds from the request to the first token, at least
 *   aligned=1   emit at the instants of all aligned streams, as a batching engine does; else each at its own phase
 *
 * When its standard input closes it writes the log to standard output and ends: for each token a struct record,
 * the time taken just before its send(), on the clock that Python's time.perf_counter_ns reads.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define REQUEST_BYTES 16384
#define EVENT_BYTES 1024
#define MILLISECOND 1000000LL
#define IDLE INT64_MAX

#ifdef __APPLE__
#define CLOCK CLOCK_UPTIME_RAW
#define MSG_NOSIGNAL 0
#else
#define CLOCK CLOCK_MONOTONIC
#endif

struct record {
    uint32_t stream, token;
    int64_t sent_ns;
};

struct connection {
    char request[REQUEST_BYTES + 1];
    size_t request_len;
    char out[EVENT_BYTES];
    size_t out_len, out_at;
    uint32_t stream, token, tokens;
    double interval_ns, start_ns;
};

/* polled[0] is standard input, polled[1] the listening socket, polled[2 + i] connection i. */
static struct pollfd polled[2 + MAX_CONNECTIONS];
static struct connection *connections[MAX_CONNECTIONS];
static int64_t due[MAX_CONNECTIONS]; /* when connection i sends next; IDLE between requests */
static int count;

static struct record *sent;
static size_t sent_len, sent_capacity;

static const char HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
static const char CHUNK[] = "data: {\"id\":\"chatcmpl-8f2d6c1e9b4a4d0f\",\"object\":\"chat.completion.chunk\","
                            "\"created\":1764000000,\"model\":\"deepseek-r1-distill-qwen-7b\",\"choices\":[%s]%s}\n\n";

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK, &t);
    return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
}

static double parameter(const char *request, const char *name, double fallback) {
    const char *at = strstr(request, name);
    return at ? atof(at + strlen(name)) : fallback;
}

/* Append one event to what connection c has to send, as one HTTP chunk. */
static void add_event(struct connection *c, const char *choices, const char *more) {
    char body[EVENT_BYTES];
    int len = snprintf(body, sizeof body, CHUNK, choices, more);
    c->out_len += (size_t)snprintf(c->out + c->out_len, EVENT_BYTES - c->out_len, "%x\r\n%s\r\n", len, body);
}

static void drop(int i) {
    close(polled[2 + i].fd);
    free(connections[i]);
    count--;
    connections[i] = connections[count];
    polled[2 + i] = polled[2 + count];
    due[i] = due[count];
}

/* Send what is left of out: 1 all of it, 0 the socket is full, -1 the peer is gone. */
static int flush(int i) {
    struct connection *c = connections[i];
    while (c->out_at < c->out_len) {
        ssize_t n = send(polled[2 + i].fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        c->out_at += (size_t)n;
    }
    c->out_at = c->out_len = 0;
    return 1;
}

static void begin(int i, const char *request) {
    struct connection *c = connections[i];
    double delay = parameter(request, "delay=", 0), phase = 0;
    c->stream = (uint32_t)parameter(request, "stream=", 0);
    c->tokens = (uint32_t)parameter(request, "tokens=", 100);
    c->interval_ns = 1e9 / parameter(request, "rate=", 50);
    c->token = 0;
    if (parameter(request, "aligned=", 0) == 0) phase = fmod(c->stream * 0.6180339887498949, 1);
    double earliest = (double)now_ns() + delay * MILLISECOND;
    c->start_ns = (ceil(earliest / c->interval_ns) + phase) * c->interval_ns;
    due[i] = (int64_t)c->start_ns;
    memcpy(c->out, HEAD, sizeof HEAD - 1);
    c->out_len = sizeof HEAD - 1;
    add_event(c, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}", "");
    if (flush(i) < 0) drop(i);
}

/* Read what came; begin the answer once head and body are complete. */
static void receive(int i) {
    struct connection *c = connections[i];
    ssize_t n = recv(polled[2 + i].fd, c->request + c->request_len, REQUEST_BYTES - c->request_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        drop(i);
        return;
    }
    c->request_len += (size_t)n;
    c->request[c->request_len] = 0;
    char *end = strstr(c->request, "\r\n\r\n");
    if (!end) return;
    char *length = strcasestr(c->request, "\r\ncontent-length:");
    size_t whole = (size_t)(end + 4 - c->request) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    if (c->request_len < whole) return;
    c->request_len = 0; /* no pipelining: a client waits for the answer */
    begin(i, c->request);
}

static void send_token(int i) {
    struct connection *c = connections[i];
    char choices[160];
    snprintf(choices, sizeof choices,
             "{\"index\":0,\"delta\":{\"content\":\" s%ut%u\"},\"logprobs\":null,\"finish_reason\":null}", c->stream,
             c->token);
    add_event(c, choices, "");
    if (sent_len == sent_capacity) {
        fputs("tokenserver: the log is full\n", stderr);
        exit(1);
    }
    sent[sent_len++] = (struct record){c->stream, c->token, now_ns()};
    c->token++;
    due[i] = (int64_t)(c->start_ns + c->token * c->interval_ns);
    if (flush(i) < 0) drop(i);
}

static void send_end(int i) {
    struct connection *c = connections[i];
    char usage[120];
    snprintf(usage, sizeof usage, ",\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":%u,\"total_tokens\":%u}",
             c->tokens, c->tokens + 16);
    add_event(c, "", usage);
    c->out_len += (size_t)sprintf(c->out + c->out_len, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    due[i] = IDLE;
    if (flush(i) < 0) drop(i);
}

/* Do what is due; return when the next thing is. A stream whose socket is full waits, and its tokens with it. */
static int64_t send_due(void) {
    int64_t next = IDLE;
    for (int i = count - 1; i >= 0; i--) {
        if (due[i] <= now_ns()) {
            int flushed = flush(i);
            if (flushed < 0) {
                drop(i);
                continue;
            }
            if (flushed && connections[i]->token < connections[i]->tokens) send_token(i);
            else if (flushed) send_end(i);
        }
        if (i < count && due[i] < next) next = due[i];
    }
    return next;
}

static void join_all(int listener) {
    int fd, one = 1;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (count == MAX_CONNECTIONS) {
            close(fd);
            return;
        }
        fcntl(fd, F_SETFL, O_NONBLOCK);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!(connections[count] = calloc(1, sizeof(struct connection)))) fail("calloc");
        polled[2 + count] = (struct pollfd){fd, POLLIN, 0};
        due[count++] = IDLE;
    }
}

static int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, MAX_CONNECTIONS)) fail("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &len)) fail("getsockname");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* Sleep in poll() while nothing is due for long; else spin, and look at the sockets once a millisecond. */
static void serve(void) {
    int64_t polled_at = 0;
    for (;;) {
        int64_t next = send_due(), now = now_ns();
        if (next - now < 2 * MILLISECOND && now - polled_at < MILLISECOND) continue;
        int64_t wait = next == IDLE ? -1 : (next - now) / MILLISECOND - 1;
        int ready = poll(polled, (nfds_t)(2 + count), next != IDLE && wait < 0 ? 0 : (int)wait);
        polled_at = now_ns();
        if (ready <= 0) continue;
        if (polled[0].revents) return;
        for (int i = count - 1; i >= 0; i--)
            if (polled[2 + i].revents) receive(i);
        if (polled[1].revents) join_all(polled[1].fd);
    }
}

int main(int argc, char **argv) {
    sent_capacity = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (!sent_capacity || !(sent = malloc(sent_capacity * sizeof *sent))) {
        fputs("usage: tokenserver CAPACITY (tokens that the log can hold)\n", stderr);
        return 2;
    }
    memset(sent, 0, sent_capacity * sizeof *sent); /* touch the pages now, not while timing */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is the benchmark's; this server ends with its standard input */
    polled[0] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
    polled[1] = (struct pollfd){listen_on_loopback(), POLLIN, 0};
    serve();
    return fwrite(sent, sizeof *sent, sent_len, stdout) == sent_len ? 0 : 1;
}
