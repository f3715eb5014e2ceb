/* What clients who read slowly get while the service under them is replaced, stopped and killed: every response byte
 * for byte, whole or visibly broken off, never short with a clean end.
 *
 * A round: all clients send their requests; when the clients of runs are kept and every response has begun, they read
 * slowly; at some point of that the signal comes; they read to the end. In the rounds of SIGHUP no response may be
 * broken and no connection may end, so all rounds use the same ones.
 *
 * Without arguments a short form; "long" is ten SIGHUPs with connections kept before and not, two SIGTERMs, ten kills.
 */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/stat.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { CLIENTS = 50, BODY_MAX = 6 << 20, STREAM_CHUNK = 4000, SWEEP_US = 1000, GATE_MS = 5 };

/* Seen by the test and all its workers. */
typedef struct notes {
    int gate;      /* rounds whose runs may answer */
    int late_gate; /* rounds whose late runs may answer: opened behind the signal */
    int starts;    /* of workers */
} notes;
static notes *seen;
static size_t body_bytes = 1 << 20;

static int load(const int *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
static void set(int *at, int value) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }

/* ---- The program ---- */

static char pattern(int n, size_t i) { return (char)('a' + (i * 7 + (i >> 8) + (size_t)n) % 26); }

static int number(sw_ctx *c, const char *name) { return (int)strtoll(sw_param(c, name), NULL, 10); }

static void fill(char *to, int n, size_t from, size_t len)
{
    for (size_t i = 0; i < len; i++) to[i] = pattern(n, from + i);
}

static void reply_pattern(sw_ctx *c)
{
    char *body = sw_alloc(c, body_bytes);
    fill(body, number(c, "n"), 0, body_bytes);
    sw_reply(c, 200, "text/plain", body, body_bytes);
}

static void on_plain(sw_ctx *c) { reply_pattern(c); }

static void on_pieces(sw_ctx *c)
{
    char piece[10000];
    sw_reply_open(c, 200, "text/plain");
    for (size_t at = 0; at < body_bytes; at += sizeof piece) {
        size_t len = body_bytes - at < sizeof piece ? body_bytes - at : sizeof piece;
        fill(piece, number(c, "n"), at, len);
        if (!sw_reply_write(c, piece, len)) return;
    }
}

static sw_value await_gate(sw_ctx *c, sw_value input)
{
    int64_t round = sw_as_int(sw_at(input, 0), 0);
    const int *gate = sw_as_int(sw_at(input, 1), 0) ? &seen->late_gate : &seen->gate;
    while (load(gate) < round) sw_sleep(c, "gate", GATE_MS);
    return input;
}

static void pass_gate(sw_ctx *c, bool late)
{
    sw_step(c, "gate", await_gate, sw_array(c, 2, sw_int(number(c, "round")), sw_int(late)));
}

static void on_run(sw_ctx *c)
{
    pass_gate(c, false);
    reply_pattern(c);
}

static void on_late(sw_ctx *c)
{
    pass_gate(c, true);
    reply_pattern(c);
}

static void on_stream(sw_ctx *c)
{
    char text[STREAM_CHUNK + 1];
    pass_gate(c, false);
    text[STREAM_CHUNK] = 0;
    for (size_t at = 0; at < body_bytes; at += STREAM_CHUNK) {
        fill(text, number(c, "n"), at, STREAM_CHUNK);
        sw_push_chunk(c, sw_str(c, text));
    }
    sw_reply_text(c, 200, "told");
}

static void on_pid(sw_ctx *c) { sw_reply_text(c, 200, "%lld", (long long)getpid()); }

static const char *on_start(sw_app *app, void *arg)
{
    (void)app, (void)arg;
    __atomic_add_fetch(&seen->starts, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    body_bytes = strtoull(getenv("BODY_BYTES"), NULL, 10);
    sw_app *app = sw_app_new("slow readers");
    sw_route(app, "GET /pid", on_pid);
    sw_route(app, "GET /plain/:round/:n", on_plain);
    sw_route(app, "GET /pieces/:round/:n", on_pieces);
    sw_endpoint(app, "GET /run/:round/:n", on_run, NULL);
    sw_endpoint(app, "GET /late/:round/:n", on_late, NULL);
    sw_endpoint(app, "GET /stream/:round/:n", on_stream, NULL);
    sw_static(app, "/files", getenv("FILES"));
    sw_on_start(app, on_start, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Clients ---- */

typedef enum kind { PLAIN, PIECES, UNTIL_CLOSE, STATIC, RUN, LATE, STREAM, PIPELINED, KINDS } kind;
static const char *const kind_names[] = {"plain", "pieces",   "until close", "static",
                                         "run",   "late run", "stream",      "run, plain"};

typedef enum outcome {
    PENDING,
    WHOLE,
    SENT_ON, /* 303, or a stream that ends with redirect_info: in order up to there */
    REFUSED, /* 503, whole */
    BROKEN,  /* reset, or short of what its framing says */
    SHORT,   /* a clean end before the end */
    WRONG,   /* other bytes than it should have */
    OUTCOMES
} outcome;
static const char *const outcome_names[] = {"pending", "whole", "sent on", "refused", "broken", "SHORT", "WRONG"};

typedef struct client {
    kind kind;
    int n, fd;  /* -1: no connection */
    char *data; /* malloc'd: what came of the responses that are not judged yet */
    size_t len;
    size_t pace;  /* bytes of one sweep */
    int wanted;   /* responses still to come */
    int answered; /* whole ones that have come */
    bool ended, reset;
    bool told_close; /* the last response said that the connection ends */
    outcome outcome; /* the worst of its responses */
} client;

static client clients[CLIENTS];
static long tally[4][KINDS][OUTCOMES]; /* of each phase */
static bool may_refuse, may_break;     /* in this phase */
static int phase;

static void connect_client(client *c)
{
    struct sockaddr_in to = server_sockaddr();
    int buffer = (int)(body_bytes / 256) << (c->n % 5);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(c->fd >= 0 && setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) == 0);
    CHECK(connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0);
    c->ended = c->reset = c->told_close = false;
    c->len = 0;
}

static void disconnect(client *c)
{
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

static void send_request(client *c, int round)
{
    static const char *const paths[] = {"plain", "pieces", "pieces", NULL, "run", "late", "stream", "run"};
    char text[512];
    int n;
    if (c->kind == STATIC)
        n = snprintf(text, sizeof text, "GET /files/big HTTP/1.1\r\nHost: x\r\n\r\n");
    else
        n = snprintf(text, sizeof text, "GET /%s/%d/%d HTTP/1.%d\r\nHost: x\r\n%s\r\n", paths[c->kind], round, c->n,
                     c->kind != UNTIL_CLOSE, c->kind == STREAM ? "Accept: text/event-stream\r\n" : "");
    if (c->kind == PIPELINED)
        n += snprintf(text + n, sizeof text - (size_t)n, "GET /plain/%d/%d HTTP/1.1\r\nHost: x\r\n\r\n", round, c->n);
    c->wanted = c->kind == PIPELINED ? 2 : 1;
    c->answered = 0;
    c->outcome = PENDING;
    if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) == n) return;
    printf("# client %d (%s) cannot send: %s\n", c->n, kind_names[c->kind], strerror(errno));
    CHECK(!"sent");
}

static void read_some(client *c, size_t most)
{
    while (!c->ended && most > 0) {
        size_t room = (size_t)BODY_MAX * 2 - c->len;
        ssize_t n = recv(c->fd, c->data + c->len, room < most ? room : most, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        c->ended = n <= 0;
        c->reset = n < 0;
        if (n > 0) c->len += (size_t)n, most -= (size_t)n;
        c->data[c->len] = 0;
    }
}

/* ---- Judging ---- */

static bool is_pattern(int n, size_t from, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != pattern(n, from + i)) return false;
    return true;
}

/* Decodes chunks in place. Returns how many bytes they took, 0 if the last one is not there; *text_len in any case. */
static size_t dechunk(char *body, size_t len, size_t *text_len)
{
    char *at = body, *end = body + len, *to = body, *line_end;
    *text_len = 0;
    while (at < end) {
        size_t size = strtoull(at, &line_end, 16);
        if (end - line_end < 2 || memcmp(line_end, "\r\n", 2) != 0) return 0;
        at = line_end + 2;
        if (size + 2 > (size_t)(end - at)) return 0;
        memmove(to, at, size);
        to += size;
        *text_len += size;
        at += size + 2;
        if (size == 0) return (size_t)(at - body);
    }
    return 0;
}

/* Frames in order, chunks with the right text; `whole` if it has its response. */
static outcome judge_frames(const client *c, const char *text, const char *end)
{
    size_t sent = 0;
    long id = 0;
    for (const char *at = strstr(text, "id: "); at && at < end;
         at = strstr(at, "\n\nid: ") ? strstr(at, "\n\nid: ") + 2 : NULL) {
        const char *event = strstr(at, "event: "), *data = strstr(at, "data: ");
        if (!event || !data || data > end) return WRONG;
        bool sent_on = strncmp(event + 7, "inngest.redirect_info\n", 22) == 0;
        if (strtol(at + 4, NULL, 10) != (sent_on ? id - 1 : id)) return WRONG;
        id++;
        if (sent_on) return SENT_ON;
        if (strncmp(event + 7, "inngest.response\n", 17) == 0)
            return sent >= body_bytes && strstr(data, "\"body\":\"told\"") ? WHOLE : WRONG;
        if (strncmp(event + 7, "inngest.stream\n", 15) != 0) continue;
        if (!is_pattern(c->n, sent, data + 15, STREAM_CHUNK)) return WRONG;
        sent += STREAM_CHUNK;
    }
    return WRONG;
}

static outcome judge_body(const client *c, int status, const char *body, size_t len)
{
    if (status == 303) return len == 0 ? SENT_ON : WRONG;
    if (status == 503) return REFUSED;
    if (status != 200) return WRONG;
    if (c->kind == STREAM) return judge_frames(c, body, body + len);
    return len == body_bytes && is_pattern(c->kind == STATIC ? 0 : c->n, 0, body, len) ? WHOLE : WRONG;
}

/* The first response in what came; *taken is its length. */
static outcome judge(client *c, size_t *taken)
{
    char *end = c->len > 0 ? strstr(c->data, "\r\n\r\n") : NULL;
    outcome missing = c->ended ? BROKEN : PENDING;
    if (!end) return missing;
    char *body = end + 4;
    size_t head = (size_t)(body - c->data), have = c->len - head, text_len = 0;
    int status = (int)strtol(c->data + 9, NULL, 10);
    *end = 0;
    const char *length = strcasestr(c->data, "\r\nContent-Length: ");
    bool chunked = strcasestr(c->data, "\r\nTransfer-Encoding: chunked") != NULL;
    c->told_close = strcasestr(c->data, "\r\nConnection: close") != NULL;
    *end = '\r';
    if (length) {
        size_t need = strtoull(length + 18, NULL, 10);
        *taken = head + need;
        return have < need ? missing : judge_body(c, status, body, need);
    }
    if (chunked) {
        if (!c->ended && (c->len < 5 || memcmp(c->data + c->len - 5, "0\r\n\r\n", 5) != 0)) return PENDING;
        size_t used = dechunk(body, have, &text_len);
        *taken = head + used;
        return used == 0 ? missing : judge_body(c, status, body, text_len);
    }
    *taken = c->len;
    if (!c->ended) return PENDING;
    if (!c->reset) return have < body_bytes ? SHORT : judge_body(c, status, body, have);
    return BROKEN;
}

static void look(client *c)
{
    size_t taken = 0;
    while (c->wanted > 0) {
        outcome o = judge(c, &taken);
        if (o == PENDING) return;
        if (o > c->outcome) c->outcome = o;
        if (o == WHOLE) c->answered++;
        c->wanted = o == BROKEN || o == SHORT || o == WRONG || c->told_close ? 0 : c->wanted - 1;
        if (o == BROKEN || o == SHORT || o == WRONG) continue;
        memmove(c->data, c->data + taken, c->len - taken + 1);
        c->len -= taken;
    }
}

static void dump(const client *c)
{
    char name[128];
    snprintf(name, sizeof name, "/tmp/slow-readers-%d-%d", (int)getpid(), c->n);
    FILE *f = fopen(name, "w");
    if (f) fwrite(c->data, 1, c->len, f), fclose(f);
    printf("# client %d (%s): %s, %zu bytes, reset %d, ended %d: %s\n", c->n, kind_names[c->kind],
           outcome_names[c->outcome], c->len, c->reset, c->ended, name);
}

/* Whether this is what the phase allows it. */
static bool is_fine(const client *c, bool has_run_kept)
{
    if (c->outcome == WHOLE) return true;
    if (c->outcome == SENT_ON) return may_refuse || !has_run_kept;
    if (c->outcome == REFUSED) return may_refuse && c->kind == PIPELINED;
    bool run_is_whole = c->kind == PIPELINED && c->answered == 1; /* what follows it is a plain response */
    return c->outcome == BROKEN && may_break && (!has_run_kept || run_is_whole);
}

/* ---- Rounds ---- */

static int descriptors(pid_t pid)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%lld/fd", (long long)pid);
    DIR *d = opendir(path);
    CHECK(d);
    while (readdir(d)) count++;
    closedir(d);
    return count;
}

static pid_t worker_pid(void)
{
    static answer a;
    char url[128];
    snprintf(url, sizeof url, "%s/pid", server.address);
    call(NULL, url, NULL, NULL, 0, &a);
    return (pid_t)strtoll(a.body, NULL, 10);
}

static bool has_run(const client *c) { return c->kind >= RUN; }

static size_t read_all(bool slowly)
{
    size_t bytes = 0;
    for (int i = 0; i < CLIENTS; i++) {
        client *c = &clients[i];
        if (c->wanted == 0) continue;
        size_t before = c->len;
        read_some(c, slowly ? c->pace : SIZE_MAX);
        bytes += c->len - before;
        look(c);
    }
    return bytes;
}

static int pending(void)
{
    int count = 0;
    for (int i = 0; i < CLIENTS; i++) count += clients[i].wanted > 0;
    return count;
}

static void begin_round(int round, bool keeps, int held_before)
{
    int runs = 0;
    for (int i = 0; i < CLIENTS; i++) {
        client *c = &clients[i];
        c->kind = (kind)(i % KINDS);
        c->n = i;
        c->pace = 2000 + (size_t)((i * 37 + round * 11) % 50) * 400;
        runs += has_run(c);
        if (!c->data) CHECK((c->data = malloc((size_t)BODY_MAX * 2 + 1)) != NULL);
        if (c->fd < 0) connect_client(c);
        send_request(c, round);
    }
    while (keeps && descriptors(server.pid) < held_before + runs) usleep(5000);
    set(&seen->gate, round);
}

static void end_round(int round, bool keeps)
{
    set(&seen->late_gate, round);
    for (int waited = 0; pending() > 0; waited++) {
        CHECK(waited < PATIENCE_MS * 1000 / SWEEP_US);
        (void)read_all(true);
        usleep(SWEEP_US);
    }
    int bad = 0;
    for (int i = 0; i < CLIENTS; i++) {
        client *c = &clients[i];
        tally[phase][c->kind][c->outcome]++;
        bool fine = is_fine(c, keeps && has_run(c));
        if (!fine) dump(c);
        bad += !fine;
        if (c->outcome != WHOLE || c->told_close || c->ended) disconnect(c);
    }
    CHECK_INT(bad, 0);
}

static bool is_open(const client *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Connections that nobody was told of the end of are still good. */
static void check_open(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].fd < 0 || is_open(&clients[i])) continue;
        printf("# client %d (%s) was not told that its connection ends\n", i, kind_names[clients[i].kind]);
        CHECK(!"told");
    }
}

/* A response may be whole, and its connection have been idle when its worker was killed. */
static void drop_ended(void)
{
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].fd >= 0 && !is_open(&clients[i])) disconnect(&clients[i]);
}

/* Somewhere between the first bytes and the last ones, another place in each round. */
static void read_until_signal(int round, int rounds)
{
    size_t runs_later = body_bytes / KINDS, most = (body_bytes - runs_later) * CLIENTS;
    size_t wanted = most / (size_t)(rounds + 1) * (size_t)round, got = 0;
    for (int idle = 0; got < wanted && idle < 200; usleep(SWEEP_US)) {
        size_t n = read_all(true);
        got += n;
        idle = n > 0 ? 0 : idle + 1;
    }
}

/* In the moment of a heartbeat a stream is not kept: where that is asked for there are none. */
static void start(bool keeps, bool beats)
{
    const char *flags[] = {"--data",
                           NULL,
                           "--supervise",
                           "--loops",
                           "2",
                           "--redirect-after",
                           "60s",
                           "--keep-after",
                           keeps ? "20ms" : "1h",
                           "--heartbeat",
                           beats ? "100ms" : "15s",
                           NULL};
    static char folder[128];
    static int folders;
    snprintf(folder, sizeof folder, "%s/data%d", root, folders++);
    flags[1] = folder;
    memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

static void stop(void)
{
    for (int i = 0; i < CLIENTS; i++) disconnect(&clients[i]);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void upgrades(int rounds, bool keeps)
{
    phase = keeps ? 0 : 1;
    may_refuse = may_break = false;
    start(keeps, true);
    int held = descriptors(server.pid);
    for (int round = 1; round <= rounds; round++) {
        int starts = load(&seen->starts);
        begin_round(round, keeps, held);
        read_until_signal(round, rounds);
        CHECK(kill(server.pid, SIGHUP) == 0);
        end_round(round, keeps);
        while (load(&seen->starts) == starts) usleep(5000);
        (void)worker_pid();
        while (descriptors(server.pid) > held) usleep(5000);
        check_open();
    }
    stop();
}

static void stops(int rounds)
{
    phase = 2;
    may_refuse = true;
    may_break = false;
    for (int round = 1; round <= rounds; round++) {
        start(true, true);
        begin_round(1, true, descriptors(server.pid));
        read_until_signal(round, rounds);
        CHECK(kill(server.pid, SIGTERM) == 0);
        end_round(1, true);
        for (int i = 0; i < CLIENTS; i++) disconnect(&clients[i]);
        CHECK_INT(served_stop(&server, 0), 0);
    }
}

static void kills(int rounds)
{
    phase = 3;
    may_refuse = false;
    may_break = true;
    start(true, false);
    int held = descriptors(server.pid);
    for (int round = 1; round <= rounds; round++) {
        int starts = load(&seen->starts);
        pid_t worker = worker_pid();
        begin_round(round, true, held);
        read_until_signal(round, rounds);
        CHECK(kill(worker, SIGKILL) == 0);
        end_round(round, true);
        while (load(&seen->starts) == starts) usleep(5000);
        (void)worker_pid();
        while (descriptors(server.pid) > held) usleep(5000);
        drop_ended();
    }
    stop();
}

static int rounds_short = 2, rounds_long = 2, stops_count = 1;

static void test_upgrades(void) { upgrades(rounds_long, true); }
static void test_upgrades_unkept(void) { upgrades(rounds_short, false); }
static void test_stops(void) { stops(stops_count); }

/* After eight deaths in a row the supervisor gives up the connections it holds. */
static void test_kills(void)
{
    enum { IN_A_ROW = 5 };
    for (int left = rounds_long; left > 0; left -= IN_A_ROW) kills(left < IN_A_ROW ? left : IN_A_ROW);
}

static void report(void)
{
    static const char *const phases[] = {"SIGHUP, kept", "SIGHUP, kept late", "SIGTERM", "kill -9"};
    for (int p = 0; p < 4; p++)
        for (int k = 0; k < KINDS; k++) {
            printf("# %-18s %-12s", phases[p], kind_names[k]);
            for (int o = 1; o < OUTCOMES; o++)
                if (tally[p][k][o]) printf(" %ld %s", tally[p][k][o], outcome_names[o]);
            printf("\n");
        }
}

static void make_files(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/files", root);
    CHECK(mkdir(path, 0700) == 0 && setenv("FILES", path, 1) == 0);
    snprintf(path, sizeof path, "%s/files/big", root);
    FILE *f = fopen(path, "w");
    CHECK(f);
    for (size_t i = 0; i < body_bytes; i++) fputc(pattern(0, i), f);
    CHECK(fclose(f) == 0);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        {"every response is whole through SIGHUPs", test_upgrades},
        {"also when no connection was kept before", test_upgrades_unkept},
        {"every response is whole through SIGTERM", test_stops},
        {"through kill -9 runs' responses are whole, others visibly broken", test_kills}};
    char text[128];
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        argv[1] = argv[0];
        return serve(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "long") == 0) {
        rounds_short = rounds_long = 10;
        stops_count = 2;
        body_bytes = 4 << 20;
        argv[1] = argv[0];
        argc--, argv++;
    }
    body_bytes -= body_bytes % STREAM_CHUNK;
    snprintf(served_program, sizeof served_program, "%s", argv[0]);
    make_folder(root);
    make_files();
    snprintf(text, sizeof text, "%s/notes", root);
    CHECK(setenv("NOTES", text, 1) == 0);
    seen = share_memory(text, sizeof *seen);
    for (int i = 0; i < CLIENTS; i++) clients[i].fd = -1;
    snprintf(text, sizeof text, "%zu", body_bytes);
    CHECK(setenv("BODY_BYTES", text, 1) == 0);
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    report();
    remove_tree(root);
    return result;
}
