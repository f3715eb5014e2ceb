/* What clients do that mean no good, against a whole service: each attack is refused or bounded, and others are
 * answered meanwhile. What is smuggled is in smuggling.c; how single requests are refused, in tests/http/server/. */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "runtime/run/run_token.h"
#include "tests/service/attacked.h"

static answer a;
static char text[4096];

/* ---- Host ---- */

static void test_host(void)
{
    static const char *const hosts[] = {"a/b",        "a?b",    "a#b",     "user@a",     "a b",          "a\\b",
                                        "a:80@b",     "a:b",    "a:80:80", "a:99999",    "a:-1",         "http://a",
                                        "[::1",       "::1",    "[::1]]",  "[fe80::1%]", "a<script>",    "a\"b",
                                        "a\x80.test", "a%0d%0", ":80",     "a\tb",       "[::1]evil:80", "a:80 "};
    char request[256];
    start();
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0] - 1; i++) {
        snprintf(request, sizeof request, "GET /work HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        if (ask(request) != 400) printf("# Host: %s: %s\n", hosts[i], got);
        CHECK(strncmp(got, "HTTP/1.1 400", 12) == 0);
        snprintf(request, sizeof request, "GET http://%s HTTP/1.1\r\nHost: x\r\n\r\n", hosts[i]);
        if (!strchr("/?", hosts[i][strcspn(hosts[i], "/?")]) && ask(request) != 400)
            printf("# target http://%s: %s\n", hosts[i], got);
        CHECK(strncmp(got, "HTTP/1.1 400", 12) == 0);
    }
    CHECK_INT(ask("GET /work HTTP/1.1\r\n\r\n"), 400);
    CHECK_INT(ask("GET /work HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"), 400);
    CHECK_INT(ask("GET /work HTTP/1.1\r\nHost: x\r\nhOST: y\r\n\r\n"), 400);
    CHECK_INT(ask("GET http://x/work HTTP/1.1\r\n\r\n"), 400);
    CHECK_INT(count_of(&seen->runs), 0);
    CHECK(served_well());
    stop();
}

/* Which host ends up in the URL that the client is sent to. */
static void test_host_of_redirect(void)
{
    const char *const one[] = {"--public-url", "https://api.example.com", "--redirect-after", "0", NULL};
    const char *const own[] = {"--redirect-after", "0", NULL};
#define CLOSE "Connection: close\r\n\r\n"
    start_with(one);
    CHECK_INT(ask("GET /nap HTTP/1.1\r\nHost: evil.example\r\n" CLOSE), 303);
    CHECK(strstr(got, "\r\nLocation: https://api.example.com/_sw/runs/") && !strstr(got, "evil"));
    CHECK_INT(ask("GET http://evil.example/nap HTTP/1.1\r\nHost: api.example.com\r\n" CLOSE), 303);
    CHECK(strstr(got, "\r\nLocation: https://api.example.com/_sw/runs/") && !strstr(got, "evil"));
    CHECK_INT(ask("GET /nap HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: evil.example\r\nForwarded: "
                  "host=evil.example\r\nX-Host: evil.example\r\n" CLOSE),
              303);
    CHECK(!strstr(got, "evil"));
    stop();
    start_with(own);
    CHECK_INT(ask("GET /nap HTTP/1.1\r\nHost: x:81\r\nX-Forwarded-Host: evil.example\r\n" CLOSE), 303);
    CHECK(strstr(got, "\r\nLocation: http://x:81/_sw/runs/") && !strstr(got, "evil"));
    /* where the target names a host, the header counts for nothing (RFC 9112, 3.2.2) */
    CHECK_INT(ask("GET http://named.example/nap HTTP/1.1\r\nHost: header.example\r\n" CLOSE), 303);
    CHECK(strstr(got, "\r\nLocation: http://named.example/_sw/runs/") && !strstr(got, "header.example"));
    CHECK_INT(ask("GET /nap HTTP/1.0\r\n\r\n"), 303); /* no host at all */
    CHECK(strstr(got, "\r\nLocation: /_sw/runs/"));
    CHECK(served_well());
    stop();
}

/* ---- Response splitting ---- */

static void test_splitting(void)
{
    static const char *const queries[] = {
        "name=X-A&value=a%0d%0aX-Evil:%20b",
        "name=X-A&value=a%0d%0a%0d%0aX-Evil",
        "name=X-A&value=a%0aX-Evil:b",
        "name=X-A&value=a%0dX-Evil:b",
        "name=X-A&value=%7fX-Evil",
        "name=X-A%0d%0aX-Evil&value=a",
        "name=X-A%3aX-Evil&value=a",
        "name=X-A%20X-Evil&value=a",
        "name=&value=X-Evil",
        "value=X-Evil",
        "name=Content-Length&value=0",
        "name=transfer-ENCODING&value=chunked",
        "name=Connection&value=X-Evil",
        "type=text/html%0d%0aX-Evil:%20b",
    };
    char path[256];
    start();
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        for (int plain = 0; plain < 2; plain++) {
            snprintf(path, sizeof path, "%s?%s", plain ? "/plain-split" : "/split", queries[i]);
            call(NULL, server_url(path), NULL, NULL, 0, &a);
            if (a.status != 500) printf("# %s\n", path);
            CHECK_INT(a.status, 500);
            CHECK(!strstr(a.head, "Evil") && !strstr(a.head, "X-First") && !strstr(a.head, "X-A"));
            CHECK_STR(answer_header(&a, "Content-Type", text, sizeof text), "application/problem+json");
            CHECK(strstr(a.body, "response header") && !strstr(a.body, "sent"));
        }
    }
    call(NULL, server_url("/split?name=X-A&value=a%09b%c3%a9"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(answer_header(&a, "X-A", text, sizeof text), "a\tb\xc3\xa9");
    call(NULL, server_url("/split?name=X-A&value=%00b"), NULL, NULL, 0,
         &a); /* a zero is none: what was written stays */
    CHECK_STR(answer_header(&a, "X-A", text, sizeof text), "%00b");
    CHECK(served_well());
    stop();
}

/* ---- Paths ---- */

static void test_paths(void)
{
    static const char *const paths[] = {"/files/../secret",    "/files/%2e%2e/secret",
                                        "/files/..%2fsecret",  "/files/%2e%2e%2fsecret",
                                        "/files/..%5csecret",  "/files//../secret",
                                        "/files/./../secret",  "/files/page.txt%00.html",
                                        "/files/%00",          "/files/../../../../../../etc/passwd",
                                        "/files//etc/passwd",  "/files/%2fetc/passwd",
                                        "/%66iles/../secret",  "/files/%",
                                        "/files/%2",           "/files/%zz",
                                        "/../files/../secret", "http://x/files/../secret"};
    char request[256];
    start();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n" CLOSE, paths[i]);
        int status = ask(request);
        if (status != 400 && status != 404) printf("# %s: %s\n", paths[i], got);
        CHECK((status == 400 || status == 404) && !strstr(got, "hidden") && !strstr(got, "root:"));
    }
    CHECK_INT(ask("GET /files/page.txt HTTP/1.1\r\nHost: x\r\n" CLOSE), 200);
    CHECK(strstr(got, "shown") && served_well());
    stop();
}

/* ---- Tokens and ids ---- */

typedef struct ended_run {
    char id[64], token[RUN_TOKEN_TEXT_MAX];
} ended_run;

static ended_run make_run(void)
{
    ended_run r;
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    call(NULL, server_url("/work"), prefer, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(r.id, sizeof r.id, "%s", answer_header(&a, "X-Run-Id", text, sizeof text));
    answer_header(&a, "Location", text, sizeof text);
    snprintf(r.token, sizeof r.token, "%s", strstr(text, "token=") + 6);
    return r;
}

static long ask_run(const char *id, const char *what, const char *token, const char *header)
{
    static char path[4096], url[5000];
    const char *const headers[] = {header, NULL};
    snprintf(path, sizeof path, "/_sw/runs/%s%s%s%s", id, what, token ? "?token=" : "", token ? token : "");
    snprintf(url, sizeof url, "%s%s", server.address, path);
    call(strcmp(what, "") == 0 ? "DELETE" : "GET", url, headers, NULL, 0, &a);
    CHECK(a.status < 400 || (!strstr(a.body, "worked") && !strstr(a.body, "inngest")));
    return a.status;
}

static void forged_tokens(const ended_run *r, const char *secret, char forged[2][RUN_TOKEN_TEXT_MAX],
                          char expired[2][RUN_TOKEN_TEXT_MAX])
{
    struct timespec now;
    run_token_key right, wrong;
    run_id id;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0 && run_id_parse(r->id, strlen(r->id), &id));
    int64_t now_ms = (int64_t)now.tv_sec * 1000;
    run_token_key_derive(&right, secret, strlen(secret));
    run_token_key_derive(&wrong, "another server's secret, as long.", 33);
    run_token_make(&right, &id, RUN_TOKEN_CONTROL, now_ms - 60000, expired[0]);
    run_token_make(&right, &id, RUN_TOKEN_CONTROL, 0, expired[1]);
    run_token_make(&wrong, &id, RUN_TOKEN_CONTROL, now_ms + 3600000, forged[0]); /* another server's */
    snprintf(forged[1], RUN_TOKEN_TEXT_MAX, "%.*s", RUN_TOKEN_TEXT_MAX - 1, r->token);
    forged[1][0]++; /* later than signed for */
}

static void test_tokens(void)
{
    static const char secret[] = "a secret that only this test knows";
    static const char *const places[] = {"/output", "/stream", ""};
    static char long_token[3000];
    char secret_file[128], forged[2][RUN_TOKEN_TEXT_MAX], expired[2][RUN_TOKEN_TEXT_MAX], altered[RUN_TOKEN_TEXT_MAX],
        valid[RUN_TOKEN_TEXT_MAX];
    ended_run one, two;
    snprintf(secret_file, sizeof secret_file, "%s/key", root);
    FILE *f = fopen(secret_file, "w");
    CHECK(f && fputs(secret, f) >= 0 && fclose(f) == 0);
    const char *const more[] = {"--secret-file", secret_file, "--loops", "2", NULL};
    start_with(more);
    one = make_run();
    two = make_run();
    CHECK_INT(ask_run(one.id, "/output", one.token, NULL), 200);
    CHECK_INT(ask_run(two.id, "/output", two.token, NULL), 200);
    forged_tokens(&one, secret, forged, expired);
    for (size_t n = 0; n < 2; n++) { /* as good as the result is there, and for no other run's */
        CHECK_INT(ask_run(one.id, "/output", expired[n], NULL), 200);
        CHECK_INT(ask_run(two.id, "/output", expired[n], NULL), 403);
    }
    memset(long_token, '9', sizeof long_token - 1);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(ask_run(one.id, places[i], two.token, NULL), 403); /* another run's */
        for (size_t n = 0; n < 2; n++) CHECK_INT(ask_run(one.id, places[i], forged[n], NULL), 403);
        CHECK_INT(ask_run(one.id, places[i], "", NULL), 403);
        CHECK_INT(ask_run(one.id, places[i], "1.", NULL), 403);
        /* Of --dev, who may cancel without one, such a parameter is not taken. */
        CHECK_INT(ask_run(one.id, places[i], long_token, NULL), i == 2 ? 400 : 403);
        for (size_t at = 0; at < strlen(one.token); at++) {
            snprintf(altered, sizeof altered, "%s", one.token);
            altered[at] = altered[at] == 'A' ? 'B' : 'A';
            CHECK_INT(ask_run(one.id, places[i], altered, NULL), 403);
            altered[at] = 0; /* cut */
            CHECK_INT(ask_run(one.id, places[i], altered, NULL), 403);
        }
    }
    CHECK_INT(ask_run(one.id, "/output", NULL, NULL), 401);
    CHECK_INT(ask_run(one.id, "/stream", NULL, NULL), 401);
    struct timespec now;
    run_token_key key;
    run_id id;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0 && run_id_parse(one.id, strlen(one.id), &id));
    run_token_key_derive(&key, secret, strlen(secret));
    run_token_make(&key, &id, RUN_TOKEN_CONTROL, ((int64_t)now.tv_sec + 3600) * 1000,
                   valid); /* the forger's tools are right */
    CHECK_INT(ask_run(one.id, "/output", valid, NULL), 200);
    CHECK(served_well());
    stop();
}

static void test_run_ids(void)
{
    static const char *const ids[] = {"0", "00000000000000000000000000", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "%2e%2e",
                                      "00000000000000000000000000000000000000000000000000000000"};
    ended_run r;
    start();
    r = make_run();
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        long status = ask_run(ids[i], "/output", r.token, NULL);
        CHECK(status == 403 || status == 404);
        status = ask_run(ids[i], "/stream", r.token, NULL);
        CHECK(status == 403 || status == 404);
    }
    CHECK_INT(ask_run("%00", "/output", r.token, NULL), 400);
    CHECK(served_well());
    stop();
}

static void test_last_event_id(void)
{
    static const char *const wrong[] = {
        "x", "-1", "1x", "0x1", "1 2", "1.5", "+1", "4294967295", "99999999999999999999"};
    char header[1024];
    ended_run r;
    start();
    r = make_run();
    CHECK_INT(ask_run(r.id, "/output", r.token, NULL), 200);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(header, sizeof header, "Last-Event-ID: %s", wrong[i]);
        CHECK_INT(ask_run(r.id, "/stream", r.token, header), 400);
        CHECK(strstr(a.body, "Last-Event-ID"));
    }
    memset(header + 15, '1', 1000);
    header[1015] = 0;
    CHECK_INT(ask_run(r.id, "/stream", r.token, header), 400);
    CHECK_INT(ask_run(r.id, "/stream", r.token, "Last-Event-ID: 1"), 200);
    CHECK(strstr(a.body, "\"two\"") && !strstr(a.body, "\"one\"") && strstr(a.body, "inngest.response"));
    (void)ask_run(r.id, "/stream", r.token, "Last-Event-ID: 4294967294"); /* in the future: it ends */
    CHECK(!strstr(a.body, "\"one\"") && !strstr(a.body, "\"two\""));
    CHECK(served_well());
    stop();
}

/* ---- Slow, silent and half-closed ---- */

enum { SLOW = 60 };

/* Each sends a byte now and then and is told 408; others are served as soon as there is room. */
static void trickle(int fds[SLOW])
{
    int left = SLOW, well = 0;
    bool done[SLOW] = {false};
    for (int turn = 0; left > 0; turn++) {
        CHECK(turn < 3000);
        for (int i = 0; i < SLOW; i++) {
            struct pollfd p = {.fd = fds[i], .events = POLLIN};
            if (done[i] || (poll(&p, 1, 0) == 0 && say(fds[i], "y", 1))) continue;
            read_all(fds[i]);
            CHECK(strncmp(got, "HTTP/1.1 408 ", 13) == 0);
            close(fds[i]);
            done[i] = true;
            left--;
        }
        well += served_well();
        usleep(20000);
    }
    CHECK(well > 0);
}

static void test_slowloris(void)
{
    const char *const more[] = {"--loops", "1", "--connections-max", "60", "--head-timeout", "500ms", "--body-timeout",
                                "500ms",   NULL};
    static int fds[SLOW];
    start_with(more);
    for (int i = 0; i < SLOW; i++) {
        fds[i] = dial();
        const char *slow = i % 3 == 0   ? "GET /evil HTTP/1.1\r\nHost: x\r\nX: "
                           : i % 3 == 1 ? "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
                                        : CHUNKED "1000\r\n";
        CHECK(say(fds[i], slow, strlen(slow)));
    }
    trickle(fds);
    CHECK_INT(count_of(&seen->evil), 0);
    CHECK(served_well());
    stop();
}

static void test_slow_readers(void)
{
    const char *const more[] = {"--loops", "1", "--write-timeout", "500ms", NULL};
    static int fds[SLOW];
    start_with(more);
    for (int i = 0; i < SLOW; i++) {
        fds[i] = dial();
        CHECK(say(fds[i], "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n", 33));
    }
    wait_for(&seen->floods, SLOW);
    CHECK(served_well());
    wait_for(&seen->cut, SLOW);
    for (int i = 0; i < SLOW; i++) close(fds[i]);
    CHECK(served_well());
    stop();
}

static void test_half_closed(void)
{
    static int fds[SLOW];
    start();
    for (int i = 0; i < SLOW; i++) { /* nothing, half a request, one that is being answered */
        const char *said = i % 3 == 0 ? "" : i % 3 == 1 ? "GET /evil HT" : "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
        fds[i] = dial();
        CHECK(say(fds[i], said, strlen(said)) && shutdown(fds[i], SHUT_WR) == 0);
    }
    wait_for(&seen->runs, SLOW / 3);
    CHECK(served_well());
    __atomic_store_n(&seen->go_on, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < SLOW; i++) {
        read_all(fds[i]);
        close(fds[i]);
        if (i % 3 < 2)
            CHECK_STR(got, "");
        else
            CHECK(strstr(got, "HTTP/1.1 200 OK\r\n") && strstr(got, "waited"));
    }
    CHECK_INT(count_of(&seen->evil), 0);
    CHECK(served_well());
    stop();
}

static long resident_kib(void)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)server.pid);
    FILE *f = fopen(path, "r");
    CHECK(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0) kib = atol(line + 6);
    fclose(f);
    return kib;
}

enum { SILENT = 10000, SILENT_KIB_MAX = 16 };

/* As many as the open files allow: each costs a little memory, and others are served as if they were not there. */
static void test_silent(void)
{
    const char *const more[] = {"--loops", "2", "--connections-max", "10001", NULL};
    static int fds[SILENT];
    struct rlimit files;
    raise_file_limit();
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    int count = files.rlim_cur > SILENT + 500 ? SILENT : (int)files.rlim_cur - 500;
    CHECK(count > 0);
    start_with(more);
    CHECK(served_well());
    long before = resident_kib();
    for (int i = 0; i < count; i++) {
        fds[i] = dial();
        if (i % 500 == 0) CHECK(served_well());
    }
    for (int i = 0; i < 20; i++) CHECK(served_well());
    long grown = resident_kib() - before;
    printf("# %d connections that send nothing: %ld KiB\n", count, grown);
    CHECK(grown < (long)count * SILENT_KIB_MAX);
    for (int i = 0; i < count; i++) {
        struct pollfd p = {.fd = fds[i], .events = POLLIN};
        CHECK(poll(&p, 1, 0) == 0); /* there was room for all: none was closed */
        close(fds[i]);
    }
    CHECK(served_well());
    stop();
}

/* More than there is room for: a client that asks something takes the place of one that is only there. */
static void test_silent_full(void)
{
    enum { ROOM = 300, COUNT = 1000 };
    const char *const more[] = {"--loops", "1", "--connections-max", "300", NULL};
    static int fds[COUNT];
    start_with(more);
    for (int i = 0; i < COUNT; i++) fds[i] = dial();
    int refused = 0;
    while (!served_well()) {
        CHECK(strncmp(got, "HTTP/1.1 503", 12) == 0 || !*got);
        CHECK(refused++ < 600);
        usleep(100000);
    }
    for (int i = 0; i < ROOM / 2; i++) CHECK(served_well());
    for (int i = 0; i < COUNT; i++) close(fds[i]);
    stop();
}

static void test_silent_end(void)
{
    const char *const more[] = {"--loops", "1", "--idle-timeout", "300ms", NULL};
    int fds[SLOW];
    start_with(more);
    for (int i = 0; i < SLOW; i++) fds[i] = dial();
    for (int i = 0; i < SLOW; i++) {
        read_all(fds[i]);
        CHECK_STR(got, "");
        close(fds[i]);
    }
    CHECK(served_well());
    stop();
}

static const check_case cases[] = {{"Host", test_host},
                                   {"Host in redirects", test_host_of_redirect},
                                   {"response splitting", test_splitting},
                                   {"paths", test_paths},
                                   {"tokens", test_tokens},
                                   {"run ids", test_run_ids},
                                   {"Last-Event-ID", test_last_event_id},
                                   {"slow senders", test_slowloris},
                                   {"slow readers", test_slow_readers},
                                   {"half-closed sockets", test_half_closed},
                                   {"silent connections", test_silent},
                                   {"silent connections, full", test_silent_full},
                                   {"silent connections end", test_silent_end}};

SERVED_MAIN(attacked_serve, attacked_prepare, cases)
