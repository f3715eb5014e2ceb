/* What the holder of a run's link may do with the run: links that read do not control, whatever is made of them, and
 * lead to no link that does. */
#include "runtime/stepwell.h"

#include "runtime/run/run_token.h"
#include "tests/harness/served.h"

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", sw_query(c, "ms") ? atoi(sw_query(c, "ms")) : 3600000);
    sw_reply_text(c, 200, "rested");
}

static void on_worker(sw_ctx *c) { sw_reply_text(c, 200, "%d", getpid()); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("links");
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    sw_endpoint(app, "POST /:tenant/nap", on_nap, NULL);
    sw_route(app, "GET /worker", on_worker);
    return sw_main(app, argc, argv);
}

static const char secret[] = "the key that signs the links of this test";
static char text[4096];
static answer a;

static const char *header(const char *name) { return answer_header(&a, name, text, sizeof text); }

static void start_with(const char *hold, const char *flag)
{
    char data[128], secret_file[128];
    snprintf(data, sizeof data, "%s/data", root);
    snprintf(secret_file, sizeof secret_file, "%s/secret", root);
    FILE *f = fopen(secret_file, "w");
    CHECK(f && fputs(secret, f) >= 0 && fclose(f) == 0);
    served_start(&server, (const char *const[]){"--data", data, "--secret-file", secret_file, "--redirect-after",
                                                "50ms", "--hold", hold, "--loops", "2", "--admin-token",
                                                "the admin's token", "--keep-after", "50ms", flag, NULL});
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

/* A run's links, as its client was told them. */
typedef struct links {
    char run[RUN_ID_TEXT + 1], output[1024], read[1024];
} links;

/* The text behind "name":" */
static void take(const char *json, const char *name, char *out, size_t size)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *at = strstr(json, key);
    CHECK(at);
    at += strlen(key);
    CHECK((size_t)snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at) < size);
}

static links begin(const char *query)
{
    static const char *const async[] = {"Prefer: respond-async", NULL};
    char url[256];
    links l;
    snprintf(url, sizeof url, "%s/nap%s", server.address, query);
    call("POST", url, async, "", 0, &a);
    CHECK_INT(a.status, 202);
    take(a.body, "runId", l.run, sizeof l.run);
    take(a.body, "outputUrl", l.output, sizeof l.output);
    take(a.body, "readUrl", l.read, sizeof l.read);
    CHECK_STR(header("Location"), l.output);
    return l;
}

/* The same link with another resource of the run: "", "/stream", "/release". */
static const char *other(const char *url, const char *what)
{
    static char changed[1100];
    const char *at = strstr(url, "/output?");
    CHECK(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - url), url, what, at + strlen("/output"));
    return changed;
}

static void ask(const char *method, const char *url) { call(method, url, NULL, NULL, 0, &a); }

/* A client that has asked for this path and has not read yet. */
static int send_get(const char *path)
{
    char line[1200];
    int fd = server_dial();
    int len = snprintf(line, sizeof line, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    CHECK(send(fd, line, (size_t)len, 0) == len);
    return fd;
}

static bool reads(const char *url) { return strstr(url, "?token=r") != NULL; }

static void check_alive(const links *l)
{
    ask("HEAD", l->output);
    CHECK_INT(a.status, 303); /* it sleeps on */
}

/* ---- What a reader may do ---- */

static void test_read(void)
{
    start_with("300ms", NULL);
    links l = begin("?ms=600");
    CHECK(reads(l.read) && !reads(l.output));
    call(NULL, l.read, NULL, NULL, 20, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "rested");
    ask(NULL, other(l.read, "/stream"));
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, "rested"));
    stop();
}

static void check_refused(const char *method, const char *url)
{
    ask(method, url);
    CHECK_INT(a.status, 403);
    CHECK_STR(header("Content-Type"), "application/problem+json");
    CHECK_STR(header("WWW-Authenticate"), "Bearer realm=\"run\", error=\"insufficient_scope\", scope=\"c\"");
    CHECK(strstr(a.body, "needs one of scope c"));
}

static void test_read_controls_nothing(void)
{
    start_with("300ms", NULL);
    links l = begin("");
    check_refused("DELETE", other(l.read, ""));
    check_refused("POST", other(l.read, "/release"));
    check_alive(&l);
    ask("DELETE", other(l.output, ""));
    CHECK_INT(a.status, 200);
    ask(NULL, l.read);
    CHECK_INT(a.status, 410);
    stop();
}

/* Wherever a reader is told a link, it is one for readers: on the way round, in a stream's first and last frame. */
static void test_read_leads_to_read(void)
{
    char told[1024];
    static const char *const names[] = {"streamUrl", "outputUrl", "readUrl"};
    start_with("300ms", NULL);
    links l = begin("");
    ask(NULL, l.read);
    CHECK_INT(a.status, 303);
    CHECK(reads(header("Location")));
    ask(NULL, l.output);
    CHECK_INT(a.status, 303);
    CHECK(!reads(header("Location")));
    links short_one = begin("?ms=300");
    ask(NULL, other(short_one.read, "/stream"));
    for (size_t i = 0; i < 3; i++) {
        take(a.body, names[i], told, sizeof told);
        CHECK(reads(told));
    }
    ask(NULL, other(short_one.output, "/stream"));
    for (size_t i = 0; i < 3; i++) {
        take(a.body, names[i], told, sizeof told);
        CHECK_INT(reads(told), strcmp(names[i], "readUrl") == 0);
    }
    stop();
}

/* The link in another spelling, which the router reads alike. */
static const char *spelled(const char *url)
{
    static char changed[1100];
    const char *at = strstr(url, "/_sw/");
    CHECK(at);
    snprintf(changed, sizeof changed, "%.*s/%%5fs%%77/%s", (int)(at - url), url, at + strlen("/_sw/"));
    return changed;
}

static void test_spelled(void)
{
    char told[1024];
    start_with("300ms", NULL);
    links l = begin("");
    ask(NULL, spelled(l.read));
    CHECK_INT(a.status, 303);
    CHECK(reads(header("Location")));
    check_refused("DELETE", spelled(other(l.read, "")));
    links short_one = begin("?ms=300");
    ask(NULL, spelled(other(short_one.read, "/stream")));
    take(a.body, "outputUrl", told, sizeof told);
    CHECK(reads(told));
    stop();
}

/* What lies below /_sw/ and is no route of the library is an endpoint's, and no token in its URL means anything. */
static void test_endpoint_below(void)
{
    static const char *const paths[] = {"/_sw/nap?token=s&ms=1", "/_sw/nap?token=r&ms=1", "/%5fsw/nap?ms=1&token=s"};
    static const char *const wishes[][2] = {{"Prefer: respond-async", NULL}, {"Accept: text/event-stream", NULL}};
    static const char *const bearer[] = {"Prefer: respond-async",
                                         "Authorization: Bearer s1.0123456789012345678901234567890123456789abc", NULL};
    char url[256], told[1024];
    start_with("300ms", NULL);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        for (size_t k = 0; k < 2; k++) {
            snprintf(url, sizeof url, "%s%s", server.address, paths[i]);
            call("POST", url, wishes[k], "", 0, &a);
            CHECK_INT(a.status, k == 0 ? 202 : 200);
            take(a.body, "outputUrl", told, sizeof told);
            CHECK(!reads(told) && !strstr(told, "token=s"));
        }
    }
    snprintf(url, sizeof url, "%s/_sw/nap?ms=1", server.address);
    call("POST", url, bearer, "", 0, &a);
    CHECK_INT(a.status, 202);
    stop();
}

/* A reader whose stream ends with the process is told where to read on, not how to control. */
static void test_read_after_drain(void)
{
    char path[1100], got[8192] = "";
    start_with("300ms", NULL);
    links l = begin("");
    snprintf(path, sizeof path, "%s", strstr(other(l.read, "/stream"), "/_sw/"));
    int fd = send_get(path);
    size_t have = 0;
    bool asked = false;
    for (ssize_t n; (n = recv(fd, got + have, sizeof got - 1 - have, 0)) > 0;) {
        got[have += (size_t)n] = 0;
        if (asked || !strstr(got, "inngest.metadata")) continue;
        asked = true; /* its head is there: it is being read */
        CHECK(kill(server.pid, SIGTERM) == 0);
    }
    CHECK(asked);
    const char *last = strstr(got, "event: inngest.redirect_info");
    CHECK(last && strstr(last, "/stream?token=r"));
    CHECK(!strstr(got, "token=1") && !strstr(got, "token=2")); /* the digits of a token that controls */
    close(fd);
    int status = 0;
    CHECK(waitpid(server.pid, &status, 0) == server.pid);
    close(server.log);
}

/* A reader whose connection outlives the worker stays one: the next worker knows it from its request. */
static void test_read_is_kept(void)
{
    char url[256], got[4096];
    start_with("3s", "--supervise");
    links l = begin("");
    snprintf(url, sizeof url, "%s/worker", server.address);
    ask(NULL, url);
    pid_t worker = atoi(a.body);
    CHECK(worker > 1);
    int fd = send_get(strstr(l.read, "/_sw/"));
    usleep(500000); /* it is kept after --keep-after */
    CHECK(kill(worker, SIGKILL) == 0);
    ssize_t n = recv(fd, got, sizeof got - 1, 0);
    CHECK(n > 0);
    got[n] = 0;
    CHECK(strncmp(got, "HTTP/1.1 303 ", 13) == 0);
    CHECK(strstr(got, "/output?token=r"));
    close(fd);
    check_refused("DELETE", other(l.read, ""));
    stop();
}

/* ---- What may be made of a link ---- */

static void test_letters(void)
{
    char changed[1100];
    start_with("300ms", NULL);
    links l = begin("");
    char *at = strstr(l.read, "?token=r"); /* the letter off */
    snprintf(changed, sizeof changed, "%.*s%s", (int)(at + 7 - l.read), l.read, at + 8);
    ask(NULL, changed);
    CHECK_INT(a.status, 403);
    CHECK(strstr(a.body, "not valid for this run"));
    ask("DELETE", other(changed, ""));
    CHECK_INT(a.status, 403);
    static const char letters[] = "rcsxR";
    for (size_t i = 0; letters[i]; i++) { /* a letter on */
        at = strstr(l.output, "?token=");
        snprintf(changed, sizeof changed, "%.*s%c%s", (int)(at + 7 - l.output), l.output, letters[i], at + 7);
        ask(NULL, changed);
        CHECK_INT(a.status, 403);
        ask("DELETE", other(changed, ""));
        CHECK_INT(a.status, 403);
        CHECK(strstr(a.body, "not valid for this run"));
    }
    check_alive(&l);
    stop();
}

/* A link that an earlier version gave, which knew no scopes, controls. */
static void test_old_links(void)
{
    run_token_key key;
    run_id id;
    char token[RUN_TOKEN_TEXT_MAX], url[512];
    start_with("300ms", NULL);
    links l = begin("");
    run_token_key_derive(&key, secret, strlen(secret));
    CHECK(run_id_parse(l.run, strlen(l.run), &id));
    run_token_make(&key, &id, RUN_TOKEN_CONTROL, 1,
                   token); /* and it has expired: it is good as long as the run is there */
    CHECK(token[0] == '0');
    snprintf(url, sizeof url, "%s/_sw/runs/%s/output?token=%s", server.address, l.run, token);
    ask("HEAD", url);
    CHECK_INT(a.status, 303);
    ask("DELETE", other(url, ""));
    CHECK_INT(a.status, 200);
    stop();
}

/* ---- Tokens beside the URL ---- */

static void ask_with(const char *method, const char *url, const char *authorization)
{
    const char *const headers[] = {authorization, NULL};
    call(method, url, headers, NULL, 0, &a);
}

/* The link without its query, and that query's token as a header. */
static const char *bare(const char *url, char authorization[256])
{
    static char changed[1100];
    const char *at = strstr(url, "?token=");
    CHECK(at);
    snprintf(authorization, 256, "Authorization: Bearer %s", at + 7);
    snprintf(changed, sizeof changed, "%.*s", (int)(at - url), url);
    return changed;
}

static void test_bearer(void)
{
    char read[256], control[256], url[1100];
    start_with("300ms", NULL);
    links l = begin("");
    snprintf(url, sizeof url, "%s", bare(l.read, read));
    ask_with(NULL, url, read);
    CHECK_INT(a.status, 303);
    CHECK(reads(header("Location")));
    snprintf(url, sizeof url, "%s", bare(other(l.read, ""), read));
    ask_with("DELETE", url, read);
    CHECK_INT(a.status, 403);
    CHECK(strstr(a.body, "needs one of scope c"));
    ask_with("DELETE", url, "Authorization: Bearer the admin's");
    CHECK_INT(a.status, 403);
    CHECK(strstr(a.body, "no token of this server"));
    (void)bare(l.output, control);
    ask_with("DELETE", url, control);
    CHECK_INT(a.status, 200);
    links next = begin("");
    snprintf(url, sizeof url, "%s", bare(other(next.read, ""), read));
    ask_with("DELETE", url, "Authorization: Bearer the admin's token");
    CHECK_INT(a.status, 200);
    stop();
}

/* Each 401 says how to do better (RFC 9110, 15.5.2). */
static void test_unauthorized(void)
{
    static const struct {
        const char *method, *what, *realm;
    } rows[] = {{"GET", "/output", "run"},  {"PUT", "/output", "run"},     {"GET", "/stream", "run"},
                {"DELETE", "", "admin"},    {"POST", "/release", "admin"}, {"GET", "", "admin"},
                {"POST", "/stop", "admin"}, {"POST", "/resume", "admin"},  {"POST", "/fork", "admin"}};
    static const struct {
        const char *method, *path;
    } admin[] = {{"GET", "/_sw/runs"},
                 {"GET", "/_sw/runs/00000000000000000000000000/children"},
                 {"POST", "/_sw/runs"},
                 {"POST", "/_sw/functions/none"},
                 {"GET", "/_sw/schedules"},
                 {"PUT", "/_sw/schedules/none"},
                 {"POST", "/_sw/schedules/none"},
                 {"DELETE", "/_sw/schedules/none"},
                 {"GET", "/_sw/metrics"},
                 {"POST", "/_sw/backup?name=x"},
                 {"GET", "/_sw/feed"},
                 {"GET", "/_sw/endpoints"},
                 {"GET", "/_sw/errors"},
                 {"GET", "/_sw/process"}};
    char url[1100], expected[64];
    start_with("300ms", NULL);
    links l = begin("");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf("# %s %s\n", rows[i].method, rows[i].what);
        snprintf(url, sizeof url, "%s/_sw/runs/%s%s", server.address, l.run, rows[i].what);
        snprintf(expected, sizeof expected, "Bearer realm=\"%s\"", rows[i].realm);
        ask(rows[i].method, url);
        CHECK_INT(a.status, 401);
        CHECK_STR(header("WWW-Authenticate"), expected);
        CHECK_STR(header("Content-Type"), "application/problem+json");
    }
    for (size_t i = 0; i < sizeof admin / sizeof *admin; i++) {
        snprintf(url, sizeof url, "%s%s", server.address, admin[i].path);
        ask(admin[i].method, url);
        CHECK_INT(a.status, 401);
        CHECK_STR(header("WWW-Authenticate"), "Bearer realm=\"admin\"");
    }
    stop();
}

static const check_case cases[] = {{"a reader reads", test_read},
                                   {"a reader cancels and releases nothing", test_read_controls_nothing},
                                   {"a reader is told links for readers", test_read_leads_to_read},
                                   {"a reader who spells the path otherwise", test_spelled},
                                   {"an endpoint below /_sw/", test_endpoint_below},
                                   {"a reader when the process drains", test_read_after_drain},
                                   {"a reader whose connection outlives the worker", test_read_is_kept},
                                   {"letters put on and taken off", test_letters},
                                   {"links of an earlier version", test_old_links},
                                   {"tokens as bearer tokens", test_bearer},
                                   {"401 says what is asked for", test_unauthorized}};

SERVED_MAIN(serve, NULL, cases)
