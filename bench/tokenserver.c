/* A server that streams tokens at a known rate and remembers when it sent each one.
 *
 *   tokenserver CAPACITY [QUERY]
 *
 * Listens on a free port of 127.0.0.1 and prints it. Every POST that asks for a stream is answered with a chunked one
 * of OpenAI chat-completion events: a role, the tokens, the usage, [DONE]; any other at once, with one token in one
 * object. A GET finds the list of models, and that the server is well. The request's query says which stream this is,
 * and where it does not, the QUERY that the server was started with:
 *
 *   stream=12   its number, else the next one; token 345 has the text " s12t345"
 *   tokens=100  how many, else the body's max_tokens or max_completion_tokens
 *   rate=50     tokens per second
 *   delay=500   milliseconds from the request to the first token, at least
 *   aligned=1   emit at the instants of all aligned streams, as a batching engine does; else each at its own phase
 *
 * When its standard input closes it writes the log to standard output and ends: for each token a struct record, its
 * times on the clock that Python's time.perf_counter_ns reads. When a request came is the kernel's time where there is
 * one (Linux): the server itself looks at its sockets once a millisecond while it streams.
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
    int64_t sent_ns, done_ns;   /* just before its send(), just after */
    int64_t begun_ns, asked_ns; /* when the first and the last bytes of its request came */
    int64_t ended_ns;           /* of an answer's last token: just before the send() of the answer's end; else 0 */
    int64_t seed;               /* that its request named; else -1 */
};

struct connection {
    char request[REQUEST_BYTES + 1];
    size_t request_len;
    int64_t begun_ns, asked_ns, seed;
    char out[EVENT_BYTES];
    size_t out_len, out_at;
    uint32_t stream, token, tokens;
    size_t latest; /* its latest record */
    double interval_ns, start_ns;
};

/* polled[0] is standard input, polled[1] the listening socket, polled[2 + i] connection i. */
static struct pollfd polled[2 + MAX_CONNECTIONS];
static struct connection *connections[MAX_CONNECTIONS];
static int64_t due[MAX_CONNECTIONS]; /* when connection i sends next; IDLE between requests */
static int count;

static struct record *sent;
static size_t sent_len, sent_capacity;
static uint32_t streams; /* that had no number of their own */
static const char *usual = ""; /* the query that the server was started with */

static const char HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
static const char CHUNK[] = "data: {\"id\":\"chatcmpl-8f2d6c1e9b4a4d0f\",\"object\":\"chat.completion.chunk\","
                            "\"created\":1764000000,\"model\":\"deepseek-r1-distill-qwen-7b\",\"choices\":[%s]%s}\n\n";

static const char MODELS[] = "{\"object\":\"list\",\"data\":[{\"id\":\"deepseek-r1-distill-qwen-7b\","
                             "\"object\":\"model\",\"created\":1764000000,\"owned_by\":\"tokenserver\"}]}";
/* One word, and the right one for a client that asks for the capital of France to see whether a model is there. */
static const char WORD[] = "{\"id\":\"chatcmpl-8f2d6c1e9b4a4d0f\",\"object\":\"chat.completion\",\"created\":1764000000,"
                           "\"model\":\"deepseek-r1-distill-qwen-7b\",\"choices\":[{\"index\":0,\"message\":{"
                           "\"role\":\"assistant\",\"content\":\"Paris\"},\"finish_reason\":\"stop\"}],"
                           "\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":1,\"total_tokens\":17}}";

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
    if (!at) at = strstr(usual, name);
    return at ? atof(at + strlen(name)) : fallback;
}

/* Connection c begins to answer this request. */
static void take(struct connection *c, const char *request) {
    double number = parameter(request, "stream=", -1);
    c->stream = number < 0 ? streams++ : (uint32_t)number;
    c->seed = (int64_t)parameter(request, "\"seed\":", -1);
    c->token = 0;
}

static int is_streamed(const char *request) {
    const char *at = strstr(request, "\"stream\":");
    return at && at[9 + strspn(at + 9, " ")] == 't';
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

static void note(struct connection *c, int64_t sent_ns) {
    if (sent_len == sent_capacity) {
        fputs("tokenserver: the log is full\n", stderr);
        exit(1);
    }
    c->latest = sent_len++;
    sent[c->latest] = (struct record){c->stream, c->token, sent_ns, now_ns(), c->begun_ns, c->asked_ns, 0, c->seed};
}

/* Answer with one object, at once. */
static void answer(int i, const char *status, const char *body) {
    struct connection *c = connections[i];
    c->out_len = (size_t)snprintf(c->out, EVENT_BYTES,
                                  "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                                  status, strlen(body), body);
    if (flush(i) < 0) drop(i);
}

static void answer_get(int i, const char *request) {
    if (!strncmp(request, "GET /v1/models ", 15)) answer(i, "200 OK", MODELS);
    else if (!strncmp(request, "GET /health ", 12)) answer(i, "200 OK", "{}");
    else answer(i, "404 Not Found", "{}");
}

static void answer_whole(int i, const char *request) {
    struct connection *c = connections[i];
    take(c, request);
    int64_t sent_ns = now_ns();
    note(c, sent_ns);
    sent[c->latest].ended_ns = sent_ns;
    answer(i, "200 OK", WORD);
}

static void begin(int i, const char *request) {
    struct connection *c = connections[i];
    double delay = parameter(request, "delay=", 0), phase = 0;
    double limit = parameter(request, "\"max_tokens\":", parameter(request, "\"max_completion_tokens\":", 100));
    take(c, request);
    c->tokens = (uint32_t)parameter(request, "tokens=", limit);
    c->interval_ns = 1e9 / parameter(request, "rate=", 50);
    if (parameter(request, "aligned=", 0) == 0) phase = fmod(c->stream * 0.6180339887498949, 1);
    double earliest = (double)now_ns() + delay * MILLISECOND;
    c->start_ns = (ceil(earliest / c->interval_ns) + phase) * c->interval_ns;
    due[i] = (int64_t)c->start_ns;
    memcpy(c->out, HEAD, sizeof HEAD - 1);
    c->out_len = sizeof HEAD - 1;
    add_event(c, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}", "");
    if (flush(i) < 0) drop(i);
}

/* Read what is there, and when its last byte came. */
static ssize_t read_at(int fd, char *to, size_t room, int64_t *at_ns) {
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec into = {to, room};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &message, 0);
    *at_ns = now_ns();
#ifdef SO_TIMESTAMPNS
    struct cmsghdr *stamp = CMSG_FIRSTHDR(&message);
    if (n > 0 && stamp && stamp->cmsg_level == SOL_SOCKET && stamp->cmsg_type == SO_TIMESTAMPNS) {
        struct timespec came, now;
        memcpy(&came, CMSG_DATA(stamp), sizeof came);
        clock_gettime(CLOCK_REALTIME, &now);
        *at_ns = now_ns() - ((int64_t)(now.tv_sec - came.tv_sec) * 1000000000LL + now.tv_nsec - came.tv_nsec);
    }
#endif
    return n;
}

/* Read what came; begin the answer once head and body are complete. */
static void receive(int i) {
    struct connection *c = connections[i];
    int64_t at_ns;
    ssize_t n = read_at(polled[2 + i].fd, c->request + c->request_len, REQUEST_BYTES - c->request_len, &at_ns);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        drop(i);
        return;
    }
    if (!c->request_len) c->begun_ns = at_ns;
    c->asked_ns = at_ns;
    c->request_len += (size_t)n;
    c->request[c->request_len] = 0;
    char *end = strstr(c->request, "\r\n\r\n");
    if (!end) return;
    char *length = strcasestr(c->request, "\r\ncontent-length:");
    size_t whole = (size_t)(end + 4 - c->request) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    if (c->request_len < whole) return;
    c->request_len = 0; /* no pipelining: a client waits for the answer */
    if (!strncmp(c->request, "GET ", 4)) answer_get(i, c->request);
    else if (is_streamed(c->request)) begin(i, c->request);
    else answer_whole(i, c->request);
}

static void send_token(int i) {
    struct connection *c = connections[i];
    char choices[160];
    snprintf(choices, sizeof choices,
             "{\"index\":0,\"delta\":{\"content\":\" s%ut%u\"},\"logprobs\":null,\"finish_reason\":null}", c->stream,
             c->token);
    add_event(c, choices, "");
    int64_t sent_ns = now_ns();
    int flushed = flush(i);
    note(c, sent_ns);
    c->token++;
    due[i] = (int64_t)(c->start_ns + c->token * c->interval_ns);
    if (flushed < 0) drop(i);
}

static void send_end(int i) {
    struct connection *c = connections[i];
    char usage[120];
    snprintf(usage, sizeof usage, ",\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":%u,\"total_tokens\":%u}",
             c->tokens, c->tokens + 16);
    add_event(c, "", usage);
    c->out_len += (size_t)sprintf(c->out + c->out_len, "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    due[i] = IDLE;
    if (c->tokens) sent[c->latest].ended_ns = now_ns();
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
#ifdef SO_TIMESTAMPNS
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one); /* what it accepts inherits it */
#endif
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
    if (argc == 3) usual = argv[2];
    sent_capacity = argc == 2 || argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    if (!sent_capacity || !(sent = malloc(sent_capacity * sizeof *sent))) {
        fputs("usage: tokenserver CAPACITY [QUERY] (CAPACITY: tokens that the log can hold)\n", stderr);
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
