/* An operator starts runs at the admin API, with the request that the operator describes. */
#include "runtime/stepwell.h"

#include "tests/harness/served.h"

static void on_echo(sw_ctx *c)
{
    const char *type = sw_header(c, "content-type"), *query = sw_query(c, "q");
    sw_bytes body = sw_body(c);
    sw_reply_text(c, 200, "%s %s id=%s q=%s type=%s body=%.*s", sw_method(c), sw_path(c), sw_param(c, "id"),
                  query ? query : "none", type ? type : "none", (int)body.len, body.data);
}

static void on_plain(sw_ctx *c) { sw_reply_text(c, 200, "plain"); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("start");
    sw_endpoint(app, "POST /echo/:id", on_echo, NULL);
    sw_endpoint(app, "GET /echo/:id", on_echo, NULL);
    sw_endpoint(app, "POST /echo/own", on_echo, NULL);
    sw_route(app, "POST /plain", on_plain);
    return sw_main(app, argc, argv);
}

static char data[128], token_spec[4][256];
static answer a;

static void start(const char *const *flags)
{
    const char *all[SERVED_ARGS_MAX] = {"--data", data};
    size_t n = 2;
    snprintf(data, sizeof data, "%s/data", root);
    for (; *flags; flags++) all[n++] = *flags;
    served_start(&server, all);
}

#define START(...) start((const char *const[]){__VA_ARGS__, NULL})

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static long ask(const char *authorization, const char *body)
{
    char url[256];
    snprintf(url, sizeof url, "%s/_sw/runs", server.admin);
    call("POST", url, (const char *const[]){authorization, NULL}, body, 0, &a);
    return a.status;
}

/* What the run that the last answer names has answered. */
static const char *output(void)
{
    char path[256];
    const char *found = strstr(a.body, "\"outputUrl\":\"");
    CHECK(found && sscanf(found, "\"outputUrl\":\"%255[^\"]\"", path) == 1);
    CHECK(path[0] == '/'); /* nobody has said by which name clients reach the server */
    call("GET", server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    return a.body;
}

static void test_begins(void)
{
    START("--dev");
    CHECK_INT(ask("X: y", "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/a%20b?q=1%262\",\"body\":{\"n\":[1]}}"),
              202);
    CHECK_STR(output(), "POST /echo/a b id=a b q=1&2 type=application/json body={\"n\":[1]}");
    CHECK_INT(ask("X: y", "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/7\",\"body\":\"as it is\"}"), 202);
    CHECK_STR(output(), "POST /echo/7 id=7 q=none type=application/json body=as it is");
    CHECK_INT(ask("X: y", "{\"endpoint\":\"GET /echo/:id\",\"target\":\"/echo/7?q=\"}"), 202);
    CHECK_STR(output(), "GET /echo/7 id=7 q= type=none body=");
    stop();
}

/* Each says what is wrong, and nothing has begun. */
static void test_refused(void)
{
    static const struct {
        int status;
        const char *body, *says;
    } cases[] = {
        {400, "", "line 1"},
        {400, "[1]", "JSON object"},
        {400, "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/7\",\"boddy\":1}", "without other members"},
        {400, "{\"target\":\"/echo/7\"}", "is the route of an endpoint"},
        {400, "{\"endpoint\":7,\"target\":\"/echo/7\"}", "is the route of an endpoint"},
        {404, "{\"endpoint\":\"POST /none\",\"target\":\"/none\"}", "no durable endpoint"},
        {404, "{\"endpoint\":\"POST /plain\",\"target\":\"/plain\"}", "no durable endpoint"},
        {404, "{\"endpoint\":\"GET /_sw/runs\",\"target\":\"/_sw/runs\"}", "no durable endpoint"},
        {404, "{\"endpoint\":\"nonsense\",\"target\":\"/echo/7\"}", "no durable endpoint"},
        {400, "{\"endpoint\":\"POST /echo/:id\"}", "is a path, percent-encoded"},
        {400, "{\"endpoint\":\"POST /echo/:id\",\"target\":\"echo/7\"}", "is a path, percent-encoded"},
        {400, "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/a b\"}", "is a path, percent-encoded"},
        {400, "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/7\\r\\nX: y\"}", "is a path, percent-encoded"},
        {400, "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/7#x\"}", "is a path, percent-encoded"},
        {400, "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/%zz\"}", "would not come to that endpoint"},
        {400, "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/elsewhere\"}", "would not come to that endpoint"},
        {400, "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/own\"}", "would not come to that endpoint"},
        {400, "{\"endpoint\":\"GET /echo/:id\",\"target\":\"/plain\"}", "would not come to that endpoint"},
    };
    char url[256];
    START("--dev");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long status = ask("X: y", cases[i].body);
        if (status != cases[i].status || !strstr(a.body, cases[i].says)) printf("# %s: %s\n", cases[i].body, a.body);
        CHECK_INT(status, cases[i].status);
        CHECK(strstr(a.body, cases[i].says));
    }
    snprintf(url, sizeof url, "%s/_sw/metrics", server.admin);
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK(strstr(a.body, "\nstepwell_runs_started_total 0\n"));
    call("POST", server_url("/_sw/runs"), NULL, "{}", 0, &a);
    CHECK_INT(a.status, 404);
    stop();
}

static long ask_keyed(const char *authorization, const char *key, const char *body)
{
    char url[256];
    snprintf(url, sizeof url, "%s/_sw/runs", server.admin);
    call("POST", url, (const char *const[]){authorization, key, NULL}, body, 0, &a);
    return a.status;
}

static void take_id(char to[32])
{
    const char *at = strstr(a.body, "\"runId\":\"");
    CHECK(at && snprintf(to, 32, "%.26s", at + 9) == 26);
}

static void check_replayed(bool is_replayed)
{
    char header[64];
    CHECK_STR(answer_header(&a, "Idempotency-Replayed", header, sizeof header), is_replayed ? "true" : "");
}

/* Whoever has lost the answer asks again, at any loop, of this process or the next. */
static void test_keyed(void)
{
    static const char body[] = "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/7\",\"body\":\"x\"}",
                      other[] = "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/8\",\"body\":\"x\"}",
                      key[] = "Idempotency-Key: \"seven\"";
    char first[32], id[32], second[32];
    START("--dev", "--loops", "3");
    CHECK_INT(ask_keyed("X: y", key, body), 202);
    check_replayed(false);
    take_id(first);
    for (int i = 0; i < 9; i++) {
        CHECK_INT(ask_keyed("X: y", key, body), 202);
        check_replayed(true);
        take_id(id);
        CHECK_STR(id, first);
    }
    CHECK_STR(output(), "POST /echo/7 id=7 q=none type=application/json body=x");
    CHECK_INT(ask_keyed("X: y", key, other), 422);
    CHECK_INT(ask_keyed("X: y", "Idempotency-Key: \"eight", other), 400);
    CHECK_INT(ask_keyed("X: y", "Idempotency-Key: eight", "{}"), 400); /* begins nothing: the key is free */
    CHECK_INT(ask_keyed("X: y", "Idempotency-Key: eight", other), 202);
    check_replayed(false);
    take_id(second);
    CHECK(strcmp(first, second) != 0);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    START("--dev", "--loops", "2"); /* the key's loop is no longer the run's */
    for (int i = 0; i < 4; i++) {
        CHECK_INT(ask_keyed("X: y", "Idempotency-Key: seven", body), 202);
        check_replayed(true);
        take_id(id);
        CHECK_STR(id, first);
        CHECK_INT(ask_keyed("X: y", "Idempotency-Key: eight", other), 202);
        take_id(id);
        CHECK_STR(id, second);
    }
    stop();
}

static const char *token(int slot, const char *name_and_scopes, const char *text)
{
    operator_token(token_spec[slot], name_and_scopes, text);
    return token_spec[slot];
}

static void test_scope(void)
{
    static const char body[] = "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/7\"}";
    START("--admin-listen", "127.0.0.1:0", "--token", token(0, "ann:view,act", "ann-may-look-and-act"), "--token",
          token(1, "bob:start", "bob-may-start-runs-alone"), "--token",
          token(2, "cyd:start", "cyd-may-start-others-too"));
    CHECK_INT(ask("X: y", body), 401);
    CHECK_INT(ask("Authorization: Bearer ann-may-look-and-act", body), 403);
    CHECK(strstr(a.body, "starting a run needs scope start"));
    CHECK_INT(ask("Authorization: Bearer bob-may-start-runs-alone", body), 202);
    CHECK_STR(output(), "POST /echo/7 id=7 q=none type=none body=");
    char first[32], id[32]; /* a key is its operator's */
    CHECK_INT(ask_keyed("Authorization: Bearer bob-may-start-runs-alone", "Idempotency-Key: k", body), 202);
    take_id(first);
    CHECK_INT(ask_keyed("Authorization: Bearer cyd-may-start-others-too", "Idempotency-Key: k", body), 202);
    check_replayed(false);
    take_id(id);
    CHECK(strcmp(first, id) != 0);
    stop();
}

static void prepare(void) { served_admin_on_public = false; }

static const check_case cases[] = {{"a run begins with the request that was described", test_begins},
                                   {"what is refused begins nothing", test_refused},
                                   {"its key finds it again", test_keyed},
                                   {"it needs scope start", test_scope}};

SERVED_MAIN(serve, prepare, cases)
