/* Names of hosts: how often they are looked up, by how many threads, and that nobody waits for a look-up but its own
 * calls. getaddrinfo is this program's, for http_client and libcurl alike: it counts, can be held up, and asks the real
 * one for what it does not know. */
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>

#include "http/client/resolver.h"
#include "tests/harness/wire.h"

enum { CALLS = 600, NAMES = 40 };

static atomic_int lookups, now_looking, most_looking, finished;
static atomic_bool held; /* look-ups wait for `go_on` */
static sem_t go_on;
static atomic_bool starves;           /* threads that have looked a name up have no memory afterwards */
static _Thread_local bool is_starved; /* by that */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size); /* of http_client, see tests/http/meson.build */
void *__wrap_malloc(size_t size) { return is_starved ? NULL : __real_malloc(size); }

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

#pragma GCC visibility push(default) /* for libcurl's calls, too */

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    is_starved = false;
    atomic_fetch_add(&lookups, 1);
    int looking = atomic_fetch_add(&now_looking, 1) + 1, most = atomic_load(&most_looking);
    while (looking > most && !atomic_compare_exchange_weak(&most_looking, &most, looking)) {}
    if (atomic_load(&held)) CHECK(sem_wait(&go_on) == 0);
    int result = EAI_NONAME;
    if (ends_with(name, ".here.test"))
        result = real("127.0.0.1", service, hints, found);
    else if (!ends_with(name, ".nowhere.test"))
        result = real(name, service, hints, found);
    atomic_fetch_sub(&now_looking, 1);
    atomic_fetch_add(&finished, 1);
    is_starved = atomic_load(&starves);
    return result;
}

#pragma GCC visibility pop

static bool answer(int fd, const wire_request *r)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    (void)r;
    wire_say(fd, ok, sizeof ok - 1);
    return true;
}

static void begin(bool hold, const http_client_options *options)
{
    atomic_store(&lookups, 0);
    atomic_store(&most_looking, 0);
    atomic_store(&finished, 0);
    atomic_store(&held, hold);
    CHECK(sem_init(&go_on, 0, 0) == 0);
    wire_begin(answer, options);
}

static const char *at(const char *name)
{
    static char url[300];
    snprintf(url, sizeof url, "http://%s:%d/", name, wire.port);
    return url;
}

static void let_go(int count)
{
    atomic_store(&held, false);
    for (int i = 0; i < count; i++) CHECK(sem_post(&go_on) == 0);
}

static void wait_for_lookups(int count)
{
    while (atomic_load(&finished) < count) usleep(1000);
}

static void test_one_lookup(void)
{
    static http_call *calls[CALLS];
    begin(true, &(http_client_options){.connections_per_host = 100});
    for (int i = 0; i < CALLS; i++) calls[i] = wire_start(&(http_call_options){.url = at("slow.here.test")});
    wire_pass(50); /* the rest of the loop goes on meanwhile */
    let_go(1);
    for (int i = 0; i < CALLS; i++) wire_finish(calls[i], 200);
    for (int i = 0; i < 10; i++) wire_finish(wire_start(&(http_call_options){.url = at("SLOW.here.test")}), 200);
    CHECK_INT(lookups, 1);
    wire_end();
}

/* Want of memory behind a look-up keeps no answer from those who wait, nor the name from being asked for again. */
static void test_starved_thread(void)
{
    begin(false, &(http_client_options){.names_max = 0});
    atomic_store(&starves, true);
    wire_finish(wire_start(&(http_call_options){.url = at("scarce.here.test"), .timeout_ms = 5000}), 200);
    wire_finish(wire_start(&(http_call_options){.url = at("scarcer.here.test"), .timeout_ms = 5000}), 200);
    atomic_store(&starves, false);
    CHECK_INT(lookups, 2);
    wire_end();
}

static void names_on_threads(unsigned option, unsigned threads)
{
    http_call *calls[NAMES];
    char name[64];
    begin(true, &(http_client_options){.lookup_threads = option});
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "n%d.here.test", i);
        calls[i] = wire_start(&(http_call_options){.url = at(name)});
    }
    wire_pass(50);
    CHECK(atomic_load(&now_looking) <= (int)threads);
    let_go(NAMES);
    for (int i = 0; i < NAMES; i++) wire_finish(calls[i], 200);
    CHECK_INT(lookups, NAMES);
    CHECK(atomic_load(&most_looking) <= (int)threads);
    wire_end();
}

static void test_pool(void)
{
    names_on_threads(0, RESOLVER_THREADS);
    names_on_threads(1, 1);
    names_on_threads(3, 3);
}

/* More names than are kept: the oldest go, and come again when they are asked for. */
static void test_many_names(void)
{
    enum { KEPT = 4 };
    char name[64];
    begin(false, &(http_client_options){.names_max = KEPT});
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3 * KEPT; i++) {
            snprintf(name, sizeof name, "n%d.here.test", i);
            wire_finish(wire_start(&(http_call_options){.url = at(name)}), 200);
            wire_finish(wire_start(&(http_call_options){.url = at(name)}), 200);
            CHECK_INT(lookups, round * 3 * KEPT + i + 1);
            wire_pass(2); /* the next one is younger */
        }
    wire_end();
}

/* More of them at a time: said, not left to libcurl, which would begin a thread for each. */
static void test_too_many_names(void)
{
    enum { KEPT = 4 };
    http_call *calls[KEPT + 1];
    char name[64];
    begin(true, &(http_client_options){.names_max = KEPT});
    for (int i = 0; i <= KEPT; i++) {
        snprintf(name, sizeof name, "n%d.here.test", i);
        calls[i] = wire_start(&(http_call_options){.url = at(name)});
    }
    wire_expect(calls[KEPT], 0);
    CHECK_INT(http_call_error(calls[KEPT]), HTTP_CALL_BUSY);
    CHECK(strstr(http_call_error_text(calls[KEPT]), "more than 4 names of hosts are being looked up (--names-max)"));
    wire_close(calls[KEPT]);
    let_go(KEPT);
    for (int i = 0; i < KEPT; i++) wire_finish(calls[i], 200);
    CHECK_INT(lookups, KEPT);
    wire_finish(wire_start(&(http_call_options){.url = at("n4.here.test")}), 200);
    wire_end();
}

static void test_failure(void)
{
    http_call *calls[CALLS];
    begin(true, &(http_client_options){.calls_max = 0});
    for (int i = 0; i < CALLS; i++) calls[i] = wire_start(&(http_call_options){.url = at("x.nowhere.test")});
    wire_pass(20);
    let_go(1);
    for (int i = 0; i < CALLS; i++) {
        wire_expect(calls[i], 0);
        CHECK_INT(http_call_error(calls[i]), HTTP_CALL_RESOLVE);
        CHECK(strstr(http_call_error_text(calls[i]), "x.nowhere.test") &&
              strstr(http_call_error_text(calls[i]), "looked up: "));
        wire_close(calls[i]);
    }
    CHECK_INT(lookups, 1);
    wire_finish(wire_start(&(http_call_options){.url = at("x.nowhere.test")}), 0); /* a failure is not kept */
    CHECK_INT(lookups, 2);
    wire_end();
}

/* Neither a call that ends, nor the client, nor the loop waits for a look-up. */
static void test_leaving(void)
{
    begin(true, &(http_client_options){.connect_timeout_ms = 60});
    http_call *late = wire_start(&(http_call_options){.url = at("late.here.test")});
    wire_expect(late, 0);
    CHECK_INT(http_call_error(late), HTTP_CALL_TIMEOUT);
    CHECK(strstr(http_call_error_text(late), "name was not found within 60 ms (--connect-timeout)"));
    wire_close(late);
    http_call *short_one = wire_start(&(http_call_options){.url = at("late.here.test"), .timeout_ms = 20});
    wire_expect(short_one, 0);
    CHECK_INT(http_call_error(short_one), HTTP_CALL_TIMEOUT);
    wire_close(short_one);
    wire_close(wire_start(&(http_call_options){.url = at("left.here.test")}));
    http_call *left = wire_start(&(http_call_options){.url = at("left.here.test")});
    while (atomic_load(&lookups) < 2) wire_pass(1); /* one that has not begun when the client ends never does */
    wire_close(left);
    wire_end();
    CHECK_INT(atomic_load(&finished), 0);
    let_go(2);
    wait_for_lookups(2);
}

/* What needs no look-up gets none; any other name the real one is asked for. */
static void test_kinds(void)
{
    static const char *const none[] = {"127.0.0.1", "localhost"};
    char host[256];
    begin(false, &(http_client_options){.calls_max = 0});
    for (size_t i = 0; i < 2; i++) wire_finish(wire_start(&(http_call_options){.url = at(none[i])}), 200);
    CHECK_INT(lookups, 0);
    CHECK(gethostname(host, sizeof host) == 0);
    http_call *call = wire_start(&(http_call_options){.url = at(host)}); /* the server listens on loopback only */
    wire_wait(call, HTTP_CALL_DONE);
    wire_close(call);
    CHECK_INT(lookups, 1);
    wire_end();
}

/* A proxy looks up the names of the others, and its own place counts. */
static void test_proxy(void)
{
    char proxy[64];
    begin(false, &(http_client_options){.calls_max = 0});
    wire_finish(wire_start(&(http_call_options){.url = at("a.here.test")}), 200);
    CHECK_INT(lookups, 1);
    wire_end();
    CHECK(setenv("http_proxy", "http://127.0.0.1:1", 1) == 0); /* its port is known once the server listens */
    begin(false, &(http_client_options){.calls_max = 0});
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", wire.port);
    CHECK(setenv("http_proxy", proxy, 1) == 0);
    wire_finish(wire_start(&(http_call_options){.url = "http://x.nowhere.test/there"}), 200);
    CHECK_INT(lookups, 0);
    CHECK_STR(wire.heard[0]->target, "http://x.nowhere.test/there");
    wire_end();
    CHECK(unsetenv("http_proxy") == 0);
}

static const check_case cases[] = {{"many calls, one look-up", test_one_lookup},
                                   {"many names, few threads", test_pool},
                                   {"more names than are kept", test_many_names},
                                   {"too many names at a time", test_too_many_names},
                                   {"a name that nobody knows", test_failure},
                                   {"nobody waits for what has ended", test_leaving},
                                   {"a thread without memory", test_starved_thread},
                                   {"places that are no names", test_kinds},
                                   {"a proxy looks names up", test_proxy}};
CHECK_MAIN(cases)
