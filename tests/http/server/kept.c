/* Kept connections, without a second process: the test is their holder, and has a descriptor of its own for each. */
#include <fcntl.h>

#include "http/server/position.h"
#include "tests/harness/http_harness.h"

enum { KEY = 17 };

static http_exchange *asked; /* what on_request was given last; the loop's */
static http_kept kept;       /* as http_exchange_can_keep told it; fd is the holder's */
static void (*on_asked)(http_exchange *x);
static bool holder_deaf; /* the holder cannot be told now; the loop's */
static atomic_int releases, refusals, ends, asks, leaves, missed;
static sem_t go; /* lets a loop that waits for it go on */

static void on_request(void *arg, http_exchange *x)
{
    asked = x;
    atomic_fetch_add(&asks, 1);
    if (on_asked)
        on_asked(x);
    else
        test_on_request(arg, x);
}

static void on_kept_reply(void *arg, uint64_t key, const http_kept_reply *reply)
{
    (void)arg;
    (void)reply;
    CHECK_INT(key, KEY);
}

static bool on_release(void *arg, uint64_t key)
{
    (void)arg;
    CHECK_INT(key, KEY);
    if (holder_deaf) atomic_fetch_add(&refusals, 1);
    if (holder_deaf) return false;
    atomic_fetch_add(&releases, 1);
    return true;
}

static void on_ended(void *arg, uint64_t key)
{
    (void)arg;
    CHECK_INT(key, KEY);
    atomic_fetch_add(&ends, 1);
}

static bool on_leave(void *arg, int fd, const char *bytes, size_t len)
{
    (void)arg;
    (void)fd;
    (void)bytes;
    (void)len;
    atomic_fetch_add(&leaves, 1);
    return false;
}

static void on_missed(void *arg, const uint8_t note[HTTP_MISSED_NOTE_BYTES])
{
    (void)arg;
    CHECK_INT(note[0], KEY);
    atomic_fetch_add(&missed, 1);
}

static void start(http_server_options options)
{
    options.on_request = on_request;
    options.on_kept_reply = on_kept_reply;
    options.on_release = on_release;
    options.on_ended = on_ended;
    options.on_leave = on_leave;
    options.on_missed = on_missed;
    on_asked = NULL;
    holder_deaf = false;
    atomic_store(&releases, 0);
    atomic_store(&refusals, 0);
    atomic_store(&ends, 0);
    atomic_store(&asks, 0);
    atomic_store(&leaves, 0);
    atomic_store(&missed, 0);
    CHECK(sem_init(&go, 0, 0) == 0);
    test_start(&options);
}

static void hold(http_exchange *x)
{
    int fd;
    CHECK(http_exchange_can_keep(x, &kept));
    fd = fcntl(kept.fd, F_DUPFD_CLOEXEC, 0);
    CHECK(fd >= 0);
    kept.fd = fd;
    http_exchange_keep(x, KEY);
}

/* The process that had the connection dies, as far as the holder can see. */
static void hold_and_die(http_exchange *x)
{
    hold(x);
    http_exchange_leave(x);
}

static void say_nothing(http_exchange *x) { (void)x; }

static void take_back(bool replying)
{
    http_kept mine = kept;
    CHECK_INT(http_server_adopt_kept(test->server, &mine, KEY, replying), HTTP_ADOPTED);
}

static void take_back_replying(test_server *t)
{
    (void)t;
    take_back(true);
}

static void free_kept(void) { free(kept.bytes); }

static void give_back_kept(void)
{
    close(kept.fd);
    free_kept();
}

/* A connection whose request another process had, and of whose reply that one has sent `sent`. */
static int begun_elsewhere(const char *sent)
{
    int fd = test_connect();
    on_asked = hold_and_die;
    test_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(atomic_load(&asks) == 1 && test_connections() == 0); /* in this order: before it asks there is none */
    CHECK_INT(send(kept.fd, sent, strlen(sent), MSG_NOSIGNAL), strlen(sent));
    return fd;
}

/* ---- What is read ---- */

static void wait_for_go(test_server *t)
{
    (void)t;
    while (sem_wait(&go) != 0) CHECK(errno == EINTR);
}

static void *wait_on_loop(void *arg)
{
    (void)arg;
    test_on_loop(wait_for_go);
    return NULL;
}

static http_exchange *other;

static void hold_other_and_die(http_exchange *x)
{
    http_exchange *dying = other;
    on_asked = NULL;
    hold_and_die(dying);
    test_reply(x, "done");
}

/* A request that comes when the connection has just been left belongs to the process that goes on with it, also when
 * the loop has been told of its bytes already. */
static void nothing_is_read_after_leaving(void)
{
    static const char next[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    pthread_t waits;
    char bytes[sizeof next] = "";
    start((http_server_options){0});
    int left = test_connect(), first = test_connect();
    on_asked = say_nothing;
    test_say(left, "GET /left HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(test_exchanges() == 1);
    other = asked;
    on_asked = hold_other_and_die;
    CHECK(pthread_create(&waits, NULL, wait_on_loop, NULL) == 0);
    test_say(first, "GET /first HTTP/1.1\r\nHost: x\r\n\r\n"); /* both come with the same look at the kernel */
    test_say(left, next);
    CHECK(sem_post(&go) == 0);
    CHECK(pthread_join(waits, NULL) == 0);
    test_expect(first, 200, "done");
    TEST_AWAIT(test_connections() == 1);
    /* If the loop was told of it first, it was read before the connection was left, and is with what the holder has. */
    char *behind = memmem(kept.bytes, kept.len, "\r\n\r\n", 4);
    CHECK(behind);
    behind += 4;
    if (behind < kept.bytes + kept.len)
        memcpy(bytes, behind, (size_t)(kept.bytes + kept.len - behind));
    else
        CHECK_INT(recv(kept.fd, bytes, sizeof bytes, MSG_DONTWAIT), sizeof next - 1);
    CHECK_STR(bytes, next);
    give_back_kept();
    close(first);
    close(left);
    test_stop();
}

/* ---- What is written ---- */

static void resume_short(http_exchange *x)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    http_kept_reply r = {.data = {reply, sizeof reply - 1}, .is_persistent = true};
    on_asked = NULL;
    http_reply_resume(x, &r);
    http_reply_end(x);
}

/* What the client was sent is more than the whole reply: it was another one, and the next must not make up for it. */
static void a_reply_shorter_than_what_was_sent(void)
{
    start((http_server_options){0});
    int fd = begun_elsewhere("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n0123456789");
    on_asked = resume_short;
    test_on_loop(take_back_replying);
    test_expect_reset(fd);
    TEST_AWAIT(test_connections() == 0);
    CHECK_INT(atomic_load(&asks), 2);
    free_kept();
    test_stop();
}

static void reply_anew(http_exchange *x)
{
    on_asked = NULL;
    test_reply(x, "another");
}

/* Nor can another reply follow the beginning of one. */
static void another_reply_than_the_one_that_was_begun(void)
{
    start((http_server_options){0});
    int fd = begun_elsewhere("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n");
    on_asked = reply_anew;
    test_on_loop(take_back_replying);
    test_expect_reset(fd);
    TEST_AWAIT(test_connections() == 0);
    free_kept();
    test_stop();
}

/* A process of another version took it for a whole request. */
static void a_request_that_is_not_whole(void)
{
    start((http_server_options){0});
    int fd = begun_elsewhere("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n");
    kept.len = 12;
    test_say(fd, "HTTP/1.1\r\nHost: x\r\n\r\n");
    test_on_loop(take_back_replying);
    test_expect_reset(fd);
    TEST_AWAIT(test_connections() == 0);
    CHECK_INT(atomic_load(&ends) + atomic_load(&releases), 1);
    free_kept();
    test_stop();
}

/* The server stops before the reply is resumed: its beginning is no whole reply. */
static void stopped_before_it_resumes(void)
{
    start((http_server_options){0});
    int fd = begun_elsewhere("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of it");
    on_asked = test_hold;
    test_on_loop(take_back_replying);
    test_stop();
    test_expect_reset(fd);
    free_kept();
}

static void resume_and_write_aside(http_exchange *x)
{
    on_asked = NULL;
    http_reply_resume_stream(x, (http_text){"", 0});
    CHECK(!http_exchange_unkeep(x)); /* what is written now would be taken for what was sent */
    http_reply_write(x, "five.", 5);
    CHECK(http_exchange_unkeep(x));
    http_reply_write(x, "aside", 5);
    http_reply_end(x);
}

static void aside_only_behind_what_was_sent(void)
{
    start((http_server_options){0});
    int fd = begun_elsewhere("5\r\nfive");
    on_asked = resume_and_write_aside;
    test_on_loop(take_back_replying);
    char all[64] = "";
    static const char expected[] = "5\r\nfive.\r\n5\r\naside\r\n0\r\n\r\n";
    test_take(fd, all, sizeof expected - 1);
    CHECK_STR(all, expected);
    close(fd);
    TEST_AWAIT(test_connections() == 0);
    free_kept();
    test_stop();
}

/* ---- Who holds it ---- */

static void stop_when_writable(http_exchange *x)
{
    (void)x;
    http_server_leave(test->server);
    test_do_stop(test);
}

static void flood_kept(http_exchange *x)
{
    static char piece[16384];
    on_asked = NULL;
    http_reply_begin(x, 200, NULL, 0);
    hold(x);
    test_hold(x);
    while (http_exchange_writable(x)) http_reply_write(x, piece, sizeof piece);
    http_exchange_on_writable(x, stop_when_writable);
}

/* The server is stopped from within one of the connection's callbacks: the holder is told nothing, it goes on. */
static void stopped_from_within(void)
{
    char sink[65536];
    start((http_server_options){.write_queue_bytes_max = 65536});
    int fd = test_connect();
    on_asked = flood_kept;
    test_say(fd, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
    uint64_t end = test_now_ms() + PATIENCE_MS;
    while (!atomic_load(&test->gone)) {
        CHECK(test_now_ms() < end);
        (void)recv(fd, sink, sizeof sink, MSG_DONTWAIT);
    }
    CHECK(pthread_join(test->thread, NULL) == 0);
    CHECK_INT(atomic_load(&releases), 0);
    CHECK_INT(atomic_load(&ends), 0);
    free(test);
    test = NULL;
    give_back_kept();
    close(fd);
}

/* ---- Notes ---- */

enum { NOTED_BYTES = 40000 };

static void reply_with_note(http_exchange *x)
{
    static const uint8_t note[HTTP_MISSED_NOTE_BYTES] = {KEY};
    static char body[NOTED_BYTES];
    http_exchange_set_missed_note(x, note);
    http_reply(x, 200, NULL, 0, (http_text){body, sizeof body});
}

static void leave_server(test_server *t) { http_server_leave(t->server); }

/* A client that takes little at a time. */
static int connect_narrow(void)
{
    int bytes = 2304, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)test->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

/* The process ends while nobody knows whether the client got its last reply: who else would find out that it did not.
 * One that has it is left to the next process as any other. */
static void noted(bool goes)
{
    start((http_server_options){0});
    int fd = connect_narrow();
    on_asked = reply_with_note;
    test_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(atomic_load(&asks) == 1);
    char sink[NOTED_BYTES + 1000];
    for (size_t got = 0; !goes && got <= NOTED_BYTES;) {
        ssize_t n = recv(fd, sink, sizeof sink, 0);
        CHECK(n > 0);
        got += (size_t)n;
    }
    test_on_loop(leave_server);
    if (goes) {
        (void)test_connections();
        CHECK_INT(atomic_load(&leaves), 0);
        close(fd); /* with what it did not read: the connection is reset */
        TEST_AWAIT(atomic_load(&missed) == 1);
    } else {
        TEST_AWAIT(atomic_load(&leaves) == 1);
        CHECK_INT(atomic_load(&missed), 0);
        close(fd);
    }
    TEST_AWAIT(test_connections() == 0);
    CHECK_INT(atomic_load(&leaves), !goes);
    test_stop();
}

static void noted_and_gone(void) { noted(true); }
static void noted_and_there(void) { noted(false); }

/* ---- Making room ---- */

static void do_hear(test_server *t)
{
    holder_deaf = false;
    http_server_holder_ready(t->server);
}

static void hold_deaf(http_exchange *x)
{
    on_asked = NULL;
    hold(x);
    holder_deaf = true;
    test_reply(x, "held");
}

/* A connection with a request that waits is not idle, whatever it waits for. */
static void a_request_that_waits_is_not_shed(void)
{
    start((http_server_options){.connections_max = 1});
    int fd = test_connect();
    on_asked = hold_deaf;
    test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    test_expect(fd, 200, "held");
    uint64_t end = test_now_ms() + 1300; /* longer than a connection must be idle to be closed for another */
    while (test_now_ms() < end) {
        int more = test_connect();
        test_say(more, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        test_expect(more, 503, NULL);
        test_expect_end(more);
        CHECK(usleep(50000) == 0 || errno == EINTR);
    }
    test_on_loop(do_hear);
    test_expect(fd, 200, "hello");
    give_back_kept();
    close(fd);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

static int adopted = -1;

static void adopt_another(http_exchange *x)
{
    on_asked = NULL;
    (void)http_server_adopt(test->server, &(http_moving){.fd = adopted, .bytes = (char[]){0}, .len = 0});
    test_reply(x, "still here");
}

/* Nor is one whose request has just been handed out. */
static void a_request_that_is_answered_is_not_shed(void)
{
    start((http_server_options){.connections_max = 1});
    int fd = test_connect(), pair[2];
    on_asked = adopt_another;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    adopted = pair[0];
    TEST_AWAIT(test_connections() == 1);
    CHECK(usleep(1100000) == 0 || errno == EINTR);
    test_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    test_expect(fd, 200, "still here");
    close(pair[1]);
    close(fd);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

static bool was_adopted;

static void adopt_gone(http_exchange *x)
{
    static char unsent[20000]; /* too much to be gathered: it is sent at once */
    http_moving gone = {.fd = adopted, .unsent = unsent, .unsent_len = sizeof unsent, .bytes = (char[]){0}};
    on_asked = NULL;
    was_adopted = http_server_adopt(test->server, &gone);
    test_reply(x, "still here");
}

/* A connection comes from another server, there is no room for it, and its client, which has gone, cannot be told so.
 */
static void a_client_that_has_gone_is_not_refused(void)
{
    start((http_server_options){.connections_max = 1});
    int fd = test_connect(), pair[2];
    on_asked = adopt_gone;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    adopted = pair[0];
    close(pair[1]);
    was_adopted = true;
    test_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    test_expect(fd, 200, "still here");
    CHECK(!was_adopted);
    close(fd);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

/* ---- Clients that have sent their last byte ---- */

static void hold_hearing(http_exchange *x)
{
    on_asked = NULL;
    hold(x);
    test_hold(x);
}

static void hold_not_hearing(http_exchange *x)
{
    hold_hearing(x);
    holder_deaf = true;
}

/* It may have gone or read on: the holder lets go, as soon as it can be told, and the probe finds out. */
static void half_closed_while_kept(void)
{
    for (int deaf = 0; deaf < 2; deaf++) {
        start((http_server_options){0});
        int fd = test_connect();
        on_asked = deaf ? hold_not_hearing : hold_hearing;
        test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
        TEST_AWAIT(test_exchanges() == 1);
        CHECK(shutdown(fd, SHUT_WR) == 0);
        if (deaf) {
            TEST_AWAIT(atomic_load(&refusals) > 0);
            CHECK_INT(atomic_load(&releases), 0);
            test_on_loop(do_hear);
        }
        test_expect(fd, 100, NULL);
        CHECK_INT(atomic_load(&releases), 1);
        test_on_loop(test_do_release);
        test_expect(fd, 200, "held");
        test_expect_end(fd);
        give_back_kept();
        test_stop();
    }
}

/* The reply comes while the holder still cannot be told that its client has ended. */
static void answered_before_it_is_released(void)
{
    start((http_server_options){0});
    int fd = test_connect();
    on_asked = hold_not_hearing;
    test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(test_exchanges() == 1);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    TEST_AWAIT(atomic_load(&refusals) > 0);
    test_on_loop(test_do_release);
    test_expect(fd, 200, "held");
    CHECK_INT(atomic_load(&releases), 0);
    test_on_loop(do_hear);
    test_expect_end(fd);
    TEST_AWAIT(test_connections() == 0);
    CHECK_INT(atomic_load(&releases), 1);
    give_back_kept();
    test_stop();
}

static void keep_half_closed(test_server *t)
{
    (void)t;
    hold(asked);
    holder_deaf = true;
}

/* In a drain also a client that has sent its last byte is kept. Its connection ends with its reply, as ever. */
static void kept_when_half_closed(void)
{
    start((http_server_options){0});
    int fd = test_connect();
    on_asked = test_hold;
    test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(shutdown(fd, SHUT_WR) == 0);
    test_expect(fd, 100, NULL);
    test_on_loop(keep_half_closed);
    test_on_loop(test_do_release);
    test_expect(fd, 200, "held");
    CHECK_INT(atomic_load(&releases), 0);
    test_expect_end(fd);
    test_on_loop(do_hear);
    TEST_AWAIT(test_connections() == 0);
    CHECK_INT(atomic_load(&releases) + atomic_load(&ends), 1);
    give_back_kept();
    test_stop();
}

/* The last reply of a connection, and FIN, do not wait until the holder hears. */
static void last_reply_before_it_is_released(void)
{
    start((http_server_options){0});
    int fd = test_connect();
    on_asked = hold_not_hearing;
    test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    TEST_AWAIT(test_exchanges() == 1);
    test_on_loop(test_do_release);
    test_expect(fd, 200, "held");
    char byte;
    CHECK_INT(test_recv(fd, &byte, 1), 0);
    CHECK_INT(test_connections(), 1);
    test_on_loop(do_hear);
    close(fd);
    TEST_AWAIT(test_connections() == 0);
    CHECK_INT(atomic_load(&releases), 1);
    give_back_kept();
    test_stop();
}

static void resume_held(test_server *t)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
    http_kept_reply r = {.data = {reply, sizeof reply - 1}, .is_persistent = true};
    http_exchange *x = t->held[--t->held_count];
    http_exchange_on_gone(x, NULL);
    http_reply_resume(x, &r);
    http_reply_end(x);
}

/* No probe in the middle of a reply that another process has begun. */
static void half_closed_before_it_resumes(void)
{
    start((http_server_options){0});
    int fd = begun_elsewhere("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
    on_asked = test_hold;
    CHECK(shutdown(fd, SHUT_WR) == 0);
    test_on_loop(take_back_replying);
    TEST_AWAIT(atomic_load(&releases) == 1);
    test_on_loop(resume_held);
    test_expect(fd, 200, "0123456789");
    test_expect_end(fd);
    free_kept();
    test_stop();
}

static const check_case cases[] = {
    {"nothing_is_read_after_leaving", nothing_is_read_after_leaving},
    {"a_reply_shorter_than_what_was_sent", a_reply_shorter_than_what_was_sent},
    {"another_reply_than_the_one_that_was_begun", another_reply_than_the_one_that_was_begun},
    {"a_request_that_is_not_whole", a_request_that_is_not_whole},
    {"stopped_before_it_resumes", stopped_before_it_resumes},
    {"aside_only_behind_what_was_sent", aside_only_behind_what_was_sent},
    {"stopped_from_within", stopped_from_within},
    {"a reply with a note that did not arrive", noted_and_gone},
    {"a reply with a note that did", noted_and_there},
    {"a_request_that_waits_is_not_shed", a_request_that_waits_is_not_shed},
    {"a_request_that_is_answered_is_not_shed", a_request_that_is_answered_is_not_shed},
    {"a_client_that_has_gone_is_not_refused", a_client_that_has_gone_is_not_refused},
    {"half_closed_while_kept", half_closed_while_kept},
    {"answered_before_it_is_released", answered_before_it_is_released},
    {"kept_when_half_closed", kept_when_half_closed},
    {"last_reply_before_it_is_released", last_reply_before_it_is_released},
    {"half_closed_before_it_resumes", half_closed_before_it_resumes},
};
CHECK_MAIN(cases)
