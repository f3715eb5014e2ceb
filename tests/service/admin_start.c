/* An operator starts runs at the admin API, with the request that the operator describes. */
#include "runtime/stepwell.h"
#include <sys/stat.h>

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

static char data[128], token_spec[4][192];
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

static const char *token(int slot, const char *name_and_scopes, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/token-%d", root, slot);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, 0600) == 0);
    snprintf(token_spec[slot], sizeof token_spec[slot], "%s:%s", name_and_scopes, path);
    return token_spec[slot];
}

static void test_scope(void)
{
    static const char body[] = "{\"endpoint\":\"POST /echo/:id\",\"target\":\"/echo/7\"}";
    START("--admin-listen", "127.0.0.1:0", "--token", token(0, "ann:view,act", "ann-may-look-and-act"), "--token",
          token(1, "bob:start", "bob-may-start-runs-alone"));
    CHECK_INT(ask("X: y", body), 401);
    CHECK_INT(ask("Authorization: Bearer ann-may-look-and-act", body), 403);
    CHECK(strstr(a.body, "starting a run needs scope start"));
    CHECK_INT(ask("Authorization: Bearer bob-may-start-runs-alone", body), 202);
    CHECK_STR(output(), "POST /echo/7 id=7 q=none type=none body=");
    stop();
}

static void prepare(void) { served_admin_on_public = false; }

static const check_case cases[] = {{"a run begins with the request that was described", test_begins},
                                   {"what is refused begins nothing", test_refused},
                                   {"it needs scope start", test_scope}};

SERVED_MAIN(serve, prepare, cases)
