/* Calls that may go to public addresses only. getaddrinfo and connect are this program's, for libcurl too: names have
 * the addresses that a test gives them, a public one leads to the server of the test, and every address that anybody
 * tries to connect to is counted. */
#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <netdb.h>
#include <netinet/in.h>

#include "http/client/client_core.h"
#include "tests/harness/wire.h"

#define PUBLIC   "93.184.216.34"
#define REFUSING "93.184.216.99" /* public, and nobody listens there */

static atomic_int connects, private_connects;

/* ---- The network ---- */

static atomic_int rebound; /* look-ups of rebind.test */

static const struct {
    const char *name, *addresses[3];
} hosts[] = {
    {"public.test", {PUBLIC}},
    {"refusing.test", {REFUSING}},
    {"private.test", {"10.1.2.3"}},
    {"metadata.test", {"169.254.169.254"}},
    {"inner.test", {"127.0.0.1"}},
    {"mixed.test", {"10.1.2.3", "127.0.0.1", PUBLIC}},
    {"half.test", {"127.0.0.1", REFUSING}},
    {"mapped.test", {"::ffff:127.0.0.1"}},
    {"local6.test", {"fd00:ec2::254", "fe80::1", "::1"}},
};

static struct addrinfo *lookup(const char *address, const char *service, const struct addrinfo *hints)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo *found = NULL;
    return real(address, service, hints, &found) == 0 ? found : NULL;
}

#pragma GCC visibility push(default) /* for libcurl's calls, too */

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found)
{
    *found = NULL;
    if (name && strcmp(name, "rebind.test") == 0)
        *found = lookup(atomic_fetch_add(&rebound, 1) == 0 ? REFUSING : "127.0.0.1", service, hints);
    for (size_t i = 0; name && !*found && i < sizeof hosts / sizeof hosts[0]; i++) {
        if (strcmp(hosts[i].name, name) != 0) continue;
        struct addrinfo **end = found;
        for (int a = 0; a < 3 && hosts[i].addresses[a]; a++) {
            *end = lookup(hosts[i].addresses[a], service, hints);
            while (*end) end = &(*end)->ai_next;
        }
    }
    bool asks_dns = name && (strstr(name, ".test") || name[strlen(name) - 1] == '.');
    if (!*found && !asks_dns) *found = lookup(name, service, hints);
    return *found ? 0 : EAI_NONAME;
}

int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    struct in_addr public, refusing;
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "connect");
    const struct sockaddr *address = to.__sockaddr__;
    struct sockaddr_in four = {.sin_family = AF_INET};
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return real(fd, address, len);
    atomic_fetch_add(&connects, 1);
    if (address->sa_family == AF_INET) memcpy(&four, address, sizeof four);
    CHECK(inet_aton(PUBLIC, &public) && inet_aton(REFUSING, &refusing));
    if (four.sin_addr.s_addr == refusing.s_addr) {
        errno = ECONNREFUSED;
        return -1;
    }
    if (four.sin_addr.s_addr != public.s_addr) {
        atomic_fetch_add(&private_connects, 1);
        return real(fd, address, len);
    }
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return real(fd, (const struct sockaddr *)&four, sizeof four);
}

#pragma GCC visibility pop

/* "/to?URL" redirects there. */
static bool answer(int fd, const wire_request *r)
{
    char head[600];
    const char *to = strstr(r->target, "/to?");
    int len = to ? snprintf(head, sizeof head, "HTTP/1.1 302 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", to + 4)
                 : snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    wire_say(fd, head, (size_t)len);
    return true;
}

static void begin(bool proxy_guards)
{
    atomic_store(&connects, 0);
    atomic_store(&private_connects, 0);
    atomic_store(&rebound, 0);
    wire_begin(answer, &(http_client_options){.proxy_guards = proxy_guards});
}

/* P in the text becomes the server's port. */
static const char *at(const char *text)
{
    static char url[400];
    const char *port = strstr(text, ":P");
    CHECK(port);
    snprintf(url, sizeof url, "%.*s:%d%s", (int)(port - text), text, wire.port, port + 2);
    return url;
}

static http_call *ask(const char *text, const char *method)
{
    return wire_start(&(http_call_options){.url = at(text), .method = method, .public_only = true, .redirects_max = 3});
}

static void expect_refused(const char *text, const char *method, const char *why)
{
    http_call *call = ask(text, method);
    wire_expect(call, 0);
    const char *said = http_call_error_text(call);
    if (http_call_error(call) != HTTP_CALL_NOT_PUBLIC || !strstr(said, why)) printf("# %s: %s\n", text, said);
    CHECK_INT(http_call_error(call), HTTP_CALL_NOT_PUBLIC);
    CHECK(strstr(said, why));
    wire_close(call);
}

/* ---- Cases ---- */

static void test_spellings(void)
{
    static const char *const loopback[] = {
        "http://127.0.0.1:P/",
        "http://127.1:P/",
        "http://0x7f.1:P/",
        "http://0x7f000001:P/",
        "http://0177.0.0.1:P/",
        "http://2130706433:P/",
        "http://017700000001:P/",
        "http://0x7f.0.0.0x1:P/",
        "http://localhost:P/",
        "http://LOCALHOST:P/",
        "http://public.test@127.0.0.1:P/",
        "http://public.test:80@127.0.0.1:P/",
        "http://public.test%2f@127.0.0.1:P/",
        "http://[::ffff:127.0.0.1]:P/",
        "http://[::ffff:7f00:1]:P/",
        "http://inner.test:P/",
        "http://INNER.test:P/",
        "http://mapped.test:P/",
    };
    begin(false);
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++) {
        expect_refused(loopback[i], "GET", " is loopback (");
        expect_refused(loopback[i], "POST", " is loopback (");
    }
    expect_refused("http://0:P/", "GET", "0.0.0.0 is this network");
    expect_refused("http://0.0.0.0:P/", "GET", "0.0.0.0 is this network");
    expect_refused("http://[::1]:P/", "GET", "::1 is loopback (::1");
    expect_refused("http://[::]:P/", "GET", ":: is unspecified");
    expect_refused("http://[::127.0.0.1]:P/", "GET", "IPv4-compatible");
    expect_refused("http://[64:ff9b::127.0.0.1]:P/", "GET", "loopback");
    expect_refused("http://[2002:7f00:1::]:P/", "GET", "loopback");
    expect_refused("http://[fe80::1%25lo]:P/", "GET", "link-local");
    expect_refused("http://private.test:P/x?key=secret", "GET",
                   "/x: the host's address 10.1.2.3 is private (10.0.0.0/8, RFC 1918), and only public ones are");
    expect_refused("http://metadata.test:P/", "GET", "169.254.169.254 is a cloud's metadata service");
    expect_refused("http://169.254.169.254:P/", "GET", "a cloud's metadata service");
    expect_refused("http://local6.test:P/", "GET", " is ");
    static const char *const odd[] = {"http://127.0.0.1.:P/",
                                      "http://localhost.:P/",
                                      "http://a@public.test@127.0.0.1:P/",
                                      "http://public.test\\@127.0.0.1:P/",
                                      "http://127.0.0.1%5c@private.test:P/",
                                      "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1:P/" /* full-width digits */,
                                      "http://127\xe3\x80\x82"
                                      "0.0.1:P/" /* an ideographic full stop */};
    CHECK(setlocale(LC_ALL, "C.UTF-8")); /* so that libcurl takes names that are not ASCII */
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        http_call *call = ask(odd[i], "GET");
        wire_expect(call, 0);
        wire_close(call);
    }
    CHECK_INT(connects, 0);
    CHECK_INT(wire_heard(), 0);
    CHECK_INT(wire.accepted, 0);
    wire_end();
}

static void test_public(void)
{
    begin(false);
    wire_finish(ask("http://public.test:P/", "GET"), 200);
    wire_finish(ask("http://" PUBLIC ":P/", "POST"), 200);
    wire_finish(ask("http://mixed.test:P/", "GET"), 200); /* at its public address only */
    CHECK_INT(private_connects, 0);
    CHECK_INT(wire_heard(), 3);
    CHECK_INT(wire_count("POST"), 1);
    wire_end();
}

static void expect_picked(const char *addresses, bool public_only, const char *left)
{
    http_call call = {.public_only = public_only};
    char text[100];
    snprintf(text, sizeof text, "%s", addresses);
    guard_pick(&call, text);
    CHECK_STR(text, left);
}

/* curl does not even try the others, which would take it seconds. */
static void test_picked(void)
{
    expect_picked(PUBLIC, true, PUBLIC);
    expect_picked("10.1.2.3," PUBLIC, true, PUBLIC);
    expect_picked(PUBLIC ",[::1],[2606:4700::1111]", true, PUBLIC ",[2606:4700::1111]");
    expect_picked("[fd00::1],[fe80::1%lo],[2606:4700::1111]", true, "[2606:4700::1111]");
    expect_picked("[fd00::1],[fe80::1],127.0.0.1", true, "[fd00::1]");
    expect_picked("10.1.2.3," PUBLIC, false, "10.1.2.3," PUBLIC);
}

/* A public address that is out of reach is worth another try, whatever else the name has. */
static void test_out_of_reach(void)
{
    static const char *const urls[] = {"http://refusing.test:P/", "http://half.test:P/"};
    begin(false);
    for (size_t i = 0; i < 2; i++) {
        http_call *call = ask(urls[i], "GET");
        wire_expect(call, 0);
        CHECK_INT(http_call_error(call), HTTP_CALL_CONNECT);
        wire_close(call);
    }
    CHECK_INT(private_connects, 0);
    wire_end();
}

static void test_rebinding(void)
{
    begin(false);
    http_call *call = ask("http://rebind.test:P/", "GET");
    wire_expect(call, 0);
    CHECK_INT(http_call_error(call), HTTP_CALL_CONNECT);
    wire_close(call);
    expect_refused("http://rebind.test:P/", "GET", "127.0.0.1 is loopback");
    CHECK_INT(rebound, 2);
    CHECK_INT(private_connects, 0);
    CHECK_INT(wire_heard(), 0);
    wire_end();
}

static void test_redirects(void)
{
    static const char *const inner[] = {"http://127.0.0.1:P/inner", "http://inner.test:P/inner", "//localhost:P/inner",
                                        "http://[::1]:P/inner"};
    begin(false);
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++) {
        char to[200], url[300];
        snprintf(to, sizeof to, "%s", at(inner[i]));
        snprintf(url, sizeof url, "http://public.test:P/to?%s", to);
        expect_refused(url, "GET", "/inner: the host's address");
        snprintf(url, sizeof url, "http://public.test:P/to?http://public.test:%d/to?%s", wire.port, to);
        expect_refused(url, "GET", "/inner: the host's address");
    }
    CHECK_INT(private_connects, 0);
    CHECK_INT(wire_heard(), 3 * sizeof inner / sizeof inner[0]);
    for (size_t i = 0; i < wire_heard(); i++) CHECK(strncmp(wire.heard[i]->target, "/to?", 4) == 0);
    wire_finish(ask("http://public.test:P/to?/there", "GET"), 200);
    wire_end();
}

/* A connection that was opened for a call that may go anywhere is not taken over, nor is one of such a call left. */
static void test_pools(void)
{
    begin(false);
    for (int i = 0; i < 3; i++) {
        wire_finish(wire_start(&(http_call_options){.url = at("http://inner.test:P/")}), 200);
        expect_refused("http://inner.test:P/", "GET", "loopback");
        expect_refused("http://inner.test:P/", "POST", "loopback");
    }
    CHECK_INT(wire.accepted, 1);
    CHECK_INT(wire_heard(), 3);
    wire_finish(wire_start(&(http_call_options){.url = at("http://public.test:P/")}), 200);
    for (int i = 0; i < 3; i++) wire_finish(ask("http://public.test:P/", "GET"), 200);
    wire_finish(wire_start(&(http_call_options){.url = at("http://public.test:P/")}), 200);
    CHECK_INT(wire.accepted, 5);
    CHECK_INT(wire_heard(), 8);
    wire_end();
}

static void test_proxy(void)
{
    static const char *const names[] = {"http_proxy", "all_proxy"};
    for (size_t n = 0; n < 2; n++)
        for (int guards = 0; guards < 2; guards++) {
            begin(false);
            CHECK(setenv(names[n], wire_url(""), 1) == 0);
            bool closed = false;
            http_client_stop(client, wire_on_closed, &closed); /* the environment is read when a client begins */
            while (!closed) uv_run(&loop, UV_RUN_ONCE);
            CHECK((client = http_client_new(&loop, &(http_client_options){.proxy_guards = guards})));
            if (guards) {
                wire_finish(ask("http://public.test:P/x", "GET"), 200);
                CHECK(strncmp(wire.heard[0]->target, "http://public.test:", 19) == 0);
            } else {
                expect_refused("http://public.test:P/x", "GET", "--proxy-guards");
                CHECK_INT(connects, 0);
                expect_refused("http://localhost:P/x", "GET", "loopback"); /* which is never asked of a proxy */
                CHECK_INT(connects, 0);
            }
            CHECK(unsetenv(names[n]) == 0);
            wire_end();
        }
}

static const check_case cases[] = {
    {"private addresses in all spellings", test_spellings}, {"public addresses", test_public},
    {"the addresses that curl is given", test_picked},      {"public addresses out of reach", test_out_of_reach},
    {"a name that is bound anew", test_rebinding},          {"redirects to private addresses", test_redirects},
    {"connections that nobody has judged", test_pools},     {"a proxy in between", test_proxy}};
CHECK_MAIN(cases)
