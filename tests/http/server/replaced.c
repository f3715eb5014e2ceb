/* One connection through many servers, as an upgrade of the program does it: each leaves it to a holder, at whatever
 * moment, and the next takes it back. The client, which sends ahead and reads slowly, must get every reply whole, in
 * order, once. Servers and holder are on one loop; what happens next is drawn from a seed. */
#include <fcntl.h>

#include "tests/harness/http_harness.h"

enum { REQUESTS = 60, SEEDS = 8, TICK_MS = 1, LARGE = 400000, PIECE = 5000 };

typedef enum held_kind { HELD_NOTHING, HELD_IDLE, HELD_KEPT } held_kind;

/* What the holder has of the connection. */
static struct {
    held_kind kind;
    http_kept kept; /* fd, bytes and unsent are the holder's */
    bool is_stream;
    size_t cursor; /* of a stream: where the next process writes on */
    char *reply;   /* of a whole reply that has begun; NULL: none has */
    size_t reply_len;
    bool body_follows, is_persistent;
} held;

/* The exchange that is open, if one is. */
static struct {
    http_exchange *x;
    size_t size, cursor;
    bool is_stream;
} now;

static unsigned seed;
static uint64_t key_last;
static bool is_taking_back, is_leaving, is_stopping, waits_for_holder;
static size_t replaced, taken_back, resumed;
static uv_timer_t tick;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

/* The body of the request for so many bytes. */
static char *body_of(size_t size)
{
    char *body = malloc(size + 1);
    CHECK(body);
    for (size_t i = 0; i < size; i++) body[i] = (char)('a' + (i + size) % 26);
    return body;
}

/* ---- The holder ---- */

static void let_go(void)
{
    if (held.kind == HELD_NOTHING) return;
    close(held.kept.fd);
    free(held.kept.bytes);
    free((char *)(uintptr_t)held.kept.unsent.data);
    free(held.reply);
    memset(&held, 0, sizeof held);
}

static char *copy(const char *bytes, size_t len)
{
    char *own = malloc(len + 1);
    CHECK(own);
    memcpy(own, bytes, len);
    return own;
}

static void on_kept_reply(void *arg, uint64_t key, const http_kept_reply *reply)
{
    (void)arg;
    CHECK(held.kind == HELD_KEPT && key == key_last && !held.reply);
    held.reply = copy(reply->data.data, reply->data.len);
    held.reply_len = reply->data.len;
    held.body_follows = reply->body_follows;
    held.is_persistent = reply->is_persistent;
}

static bool on_release(void *arg, uint64_t key)
{
    (void)arg;
    CHECK(held.kind == HELD_KEPT && key == key_last);
    waits_for_holder = draw(4) == 0;
    if (!waits_for_holder) let_go();
    return !waits_for_holder;
}

static void on_ended(void *arg, uint64_t key)
{
    (void)arg;
    CHECK(held.kind == HELD_KEPT && key == key_last);
    let_go();
}

static bool on_leave(void *arg, int fd, const char *bytes, size_t len)
{
    (void)arg;
    CHECK(held.kind == HELD_NOTHING);
    held.kind = HELD_IDLE;
    held.kept.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    CHECK(held.kept.fd >= 0);
    held.kept.bytes = copy(bytes, len);
    held.kept.len = len;
    return true;
}

static bool keep(void)
{
    CHECK(held.kind == HELD_NOTHING);
    if (!http_exchange_can_keep(now.x, &held.kept)) return false;
    held.kind = HELD_KEPT;
    held.kept.fd = fcntl(held.kept.fd, F_DUPFD_CLOEXEC, 0);
    CHECK(held.kept.fd >= 0);
    held.kept.unsent.data = copy(held.kept.unsent.data, held.kept.unsent.len);
    held.is_stream = now.is_stream;
    held.cursor = now.cursor;
    http_exchange_keep(now.x, ++key_last);
    return true;
}

/* ---- The owner of exchanges ---- */

static void on_gone(http_exchange *x)
{
    CHECK(x == now.x && is_stopping); /* with a server that the next one follows; never for the client's sake */
    now.x = NULL;
    http_reply_abort(x);
}

static void reply_whole(void)
{
    http_exchange *x = now.x;
    char *body = body_of(now.size);
    now.x = NULL;
    http_reply(x, 200, NULL, 0, (http_text){body, now.size});
    free(body);
}

static void stream_on(void)
{
    size_t n = now.size - now.cursor < PIECE ? now.size - now.cursor : PIECE;
    if (n == 0) {
        http_exchange *x = now.x;
        now.x = NULL;
        http_reply_end(x);
    } else if (http_exchange_writable(now.x)) {
        char *body = body_of(now.size);
        http_reply_write(now.x, body + now.cursor, n);
        now.cursor += n;
        free(body);
    }
}

static void resume(http_exchange *x)
{
    now.is_stream = held.is_stream;
    now.cursor = held.cursor;
    if (held.reply) {
        const http_kept_reply reply = {{held.reply, held.reply_len}, held.body_follows, held.is_persistent};
        char *body = body_of(now.size);
        http_reply_resume(x, &reply);
        if (held.body_follows) http_reply_write(x, body, now.size);
        now.x = NULL;
        http_reply_end(x);
        free(body);
        resumed++;
    } else if (held.is_stream) {
        http_reply_resume_stream(x, held.kept.unsent);
        resumed++;
    }
}

static void on_request(void *arg, http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    (void)arg;
    CHECK(!now.x);
    now.x = x;
    now.size = strtoul(r->query.data, NULL, 10);
    now.cursor = 0;
    now.is_stream = false;
    http_exchange_on_gone(x, on_gone);
    if (is_taking_back) {
        is_taking_back = false;
        resume(x);
    } else if (draw(3) == 0) {
        reply_whole();
    }
}

static void go_on(void)
{
    if (now.is_stream) {
        /* Faster than servers are replaced, each of which begins where the stream was kept. */
        for (unsigned n = draw(40); n > 0 && now.x; n--) stream_on();
    } else if (draw(3) == 0) {
        reply_whole();
    } else if (draw(3) == 0 && !http_exchange_kept(now.x)) {
        now.is_stream = true;
        http_reply_begin(now.x, 200, NULL, 0);
    }
    if (now.x && draw(3) == 0 && held.kind == HELD_NOTHING && !http_exchange_kept(now.x)) (void)keep();
}

/* ---- Servers ---- */

static http_server_options options(void)
{
    return (http_server_options){.on_request = on_request,
                                 .on_kept_reply = on_kept_reply,
                                 .on_release = on_release,
                                 .on_ended = on_ended,
                                 .on_leave = on_leave,
                                 .write_queue_bytes_max = 32768,
                                 .arg = test};
}

static void take_back(void)
{
    http_kept mine = held.kept;
    mine.fd = fcntl(held.kept.fd, F_DUPFD_CLOEXEC, 0);
    CHECK(mine.fd >= 0);
    if (held.kind == HELD_IDLE) {
        CHECK(http_server_adopt(test->server, &(http_moving){.fd = mine.fd, .bytes = mine.bytes, .len = mine.len}));
        let_go();
        return;
    }
    is_taking_back = true;
    bool replying = held.reply || held.is_stream;
    CHECK_INT(http_server_adopt_kept(test->server, &mine, key_last, replying), HTTP_ADOPTED);
    CHECK(!is_taking_back);
    taken_back++;
}

static void on_closed(void *arg)
{
    char error[256];
    http_server_options o = options();
    (void)arg;
    int fd = http_listen("127.0.0.1:0", error, sizeof error);
    test->server = fd >= 0 ? http_server_start(&test->loop, fd, &o, error, sizeof error) : NULL;
    CHECK(test->server);
    is_leaving = is_stopping = waits_for_holder = false;
    replaced++;
    if (held.kind != HELD_NOTHING) take_back();
}

/* What is kept stays with the holder, also in the middle of its reply; all else has its time. */
static void leave(void)
{
    if (!is_leaving) http_server_leave(test->server);
    is_leaving = true;
    if (now.x && !http_exchange_kept(now.x) && held.kind == HELD_NOTHING) (void)keep();
    if (now.x && http_exchange_kept(now.x) && draw(2) == 0) {
        http_exchange *x = now.x;
        now.x = NULL;
        http_exchange_leave(x);
    }
    bool is_kept = held.kind == HELD_KEPT && (!now.x || http_exchange_kept(now.x));
    if (!is_kept && (now.x || http_server_busy(test->server))) return;
    is_stopping = true;
    http_server_stop(test->server, on_closed, NULL);
}

static void on_tick(uv_timer_t *t)
{
    (void)t;
    if (is_stopping) return;
    if (waits_for_holder && draw(3) == 0) {
        waits_for_holder = false;
        http_server_holder_ready(test->server);
    }
    if (is_leaving || draw(12) == 0) leave();
    if (now.x && !is_stopping) go_on();
}

static void start_ticking(test_server *t)
{
    CHECK(uv_timer_init(&t->loop, &tick) == 0);
    CHECK(uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS) == 0);
}

static bool is_over; /* the loop's, as all above */

static void look(test_server *t)
{
    is_over = http_server_connections(t->server) == 0 && held.kind == HELD_NOTHING && !is_stopping;
    if (is_over) uv_close((uv_handle_t *)&tick, NULL);
}

/* ---- The client ---- */

static size_t size_of(unsigned seed_of_client, int i)
{
    unsigned n = (seed_of_client * 2654435761u + (unsigned)i * 40503u) >> 8;
    return n % 5 == 0 ? n % LARGE : n % 3000;
}

static void expect(int fd, size_t size)
{
    test_answer a = test_read(fd);
    char *body = body_of(size);
    CHECK_INT(a.status, 200);
    CHECK_INT(a.len, size);
    CHECK(memcmp(a.body ? a.body : "", body, size) == 0);
    free(body);
    free(a.body);
}

static void run(unsigned number)
{
    http_server_options o = options();
    char request[128];
    int sent = 0, small = 20000;
    seed = number;
    test_start(&o);
    int fd = test_connect();
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    test_on_loop(start_ticking);
    for (int i = 0; i < REQUESTS; i++) {
        int ahead = i + 1 + (int)(number % 5); /* so many are under way at once */
        while (sent < REQUESTS && sent < ahead) {
            int n = snprintf(request, sizeof request, "GET /x?%zu HTTP/1.1\r\nHost: x\r\n\r\n", size_of(number, sent));
            test_send(fd, request, (size_t)n / 2);
            if (number % 2) CHECK(usleep(500) == 0 || errno == EINTR);
            test_send(fd, request + n / 2, (size_t)(n - n / 2));
            sent++;
        }
        expect(fd, size_of(number, i));
    }
    close(fd);
    TEST_AWAIT((test_on_loop(look), is_over));
    test_stop();
}

static void one_connection_through_many_servers(void)
{
    for (unsigned i = 0; i < SEEDS; i++) run(i);
    printf("# %zu servers, %zu connections taken back, %zu in the middle of a reply\n", replaced, taken_back, resumed);
    CHECK(replaced > SEEDS && taken_back > SEEDS && resumed > 0);
}

static const check_case cases[] = {{"one_connection_through_many_servers", one_connection_through_many_servers}};
CHECK_MAIN(cases)
