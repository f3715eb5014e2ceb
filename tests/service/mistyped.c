/* What operators mistype is refused with what would be right, and nothing of it is done: a wish in the query of a
 * request whose place is the body least of all. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

static void on_wait(sw_ctx *c)
{
    sw_sleep(c, "long", 3600000);
    sw_reply_text(c, 200, "waited");
}

static sw_value on_ship(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "long", 3600000);
    return input;
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("mistyped");
    sw_endpoint(app, "POST /wait", on_wait, NULL);
    sw_function(app, "ship", on_ship, &(sw_function_options){.cron = "0 0 1 1 *"});
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static answer a;
static char run[32]; /* its id, which stands for ID in paths */

typedef struct mistake {
    const char *method, *path, *body;
    int status;
    const char *says;
} mistake;

static void ask(const char *method, const char *path, const char *body)
{
    char filled[256];
    const char *id = strstr(path, "ID");
    int before = id ? (int)(id - path) : (int)strlen(path);
    snprintf(filled, sizeof filled, "%.*s%s%s", before, path, id ? run : "", id ? id + 2 : "");
    call(method, server_url(filled), NULL, body, 0, &a);
}

static void check_refused(const mistake *m)
{
    ask(m->method, m->path, m->body);
    if (a.status != m->status || !strstr(a.body, m->says)) printf("# %s %s: %s\n", m->method, m->path, a.body);
    CHECK_INT(a.status, m->status);
    CHECK(strstr(a.body, m->says));
    CHECK(strstr(a.head, "application/problem+json") && strstr(a.body, "\"detail\":\""));
}

static void start(const char *folder)
{
    char data[128];
    snprintf(data, sizeof data, "%s/%s", root, folder);
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", "1", "--backup-dir", root, NULL});
    call("POST", server_url("/wait"), (const char *const[]){"Prefer: respond-async", NULL}, "", 0, &a);
    CHECK_INT(a.status, 202);
    answer_header(&a, "X-Run-Id", run, sizeof run);
}

/* The one run sleeps, and nothing is set or paused. */
static void check_untouched(void)
{
    do ask("GET", "/_sw/runs", NULL);
    while (strstr(a.body, "\"state\":\"running\""));
    const char *only = strstr(a.body, "\"runId\"");
    CHECK(only && strstr(only, run) && !strstr(only + 1, "\"runId\"") && strstr(only, "\"state\":\"sleeping\""));
    ask("GET", "/_sw/settings", NULL);
    CHECK_STR(a.body, "{\"settings\":[]}\n");
    ask("GET", "/_sw/schedules", NULL);
    CHECK(strstr(a.body, "\"paused\":false"));
}

static void test_parameters(void)
{
    static const char body_takes[] = "nor any other: what it takes is in its body", none[] = "nor any other\"";
    static const mistake all[] = {
        {"POST", "/_sw/bulk?dryRun=true", "{\"action\":\"cancel\",\"filter\":{}}", 400, body_takes},
        {"POST", "/_sw/runs?dryRun=1", "{\"endpoint\":\"POST /wait\",\"target\":\"/wait\"}", 400, body_takes},
        {"POST", "/_sw/runs/ID/fork?dryRun=true", "{}", 400, body_takes},
        {"POST", "/_sw/runs/ID/stop?text=why", "", 400, body_takes},
        {"POST", "/_sw/runs/ID/resume?generation=1", "", 400, body_takes},
        {"POST", "/_sw/runs/ID/release?now", "", 400, body_takes},
        {"POST", "/_sw/runs/ID/signals/go?when=now", "1", 400, "no parameter \\\"when\\\", only question"},
        {"DELETE", "/_sw/runs/ID?dryRun=true", NULL, 400, none},
        {"POST", "/_sw/functions/ship?dryRun=true", "{}", 400, body_takes},
        {"POST", "/_sw/schedules/ship?at=0", "", 400, body_takes},
        {"PUT", "/_sw/schedules/ship?paused=false", "{\"paused\":true}", 400, body_takes},
        {"DELETE", "/_sw/schedules/ship?dryRun=1", NULL, 400, none},
        {"PUT", "/_sw/settings/endpoint:ship?stopped=false", "{\"value\":{\"stopped\":true}}", 400, body_takes},
        {"DELETE", "/_sw/settings/endpoint:ship?dryRun", NULL, 400, none},
        {"POST", "/_sw/backup?name=x&to=y", "", 400, "no parameter \\\"to\\\", only name"},
        {"POST", "/_sw/backup?name=x&name=y", "", 400, "\\\"name\\\" is to be given once"},
        {"POST", "/_sw/backup?Name=x", "", 400, "no parameter \\\"Name\\\""},
        {"POST", "/_sw/session?code=x", "", 400, body_takes},
        {"GET", "/_sw/runs?limit=1&limit=2", NULL, 400, "\\\"limit\\\" is to be given once"},
        {"GET", "/_sw/runs?Endpoint=x", NULL, 400, "no parameter \\\"Endpoint\\\", only endpoint"},
        {"GET", "/_sw/runs?%6cimit=1", NULL, 400, "no parameter \\\"?\\\""},
        {"GET", "/_sw/runs?before=1", NULL, 400, "26 letters and digits"},
        {"GET", "/_sw/endpoints?endpoint=x", NULL, 400, none},
        {"GET", "/_sw/process?x", NULL, 400, none},
        {"GET", "/_sw/settings?name=x", NULL, 400, none},
        {"GET", "/_sw/schedules?name=ship", NULL, 400, none},
    };
    start("parameters");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_refused(&all[i]);
    check_untouched();
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_others(void)
{
    static const mistake all[] = {
        {"PATCH", "/_sw/runs/ID", "{}", 405, "the methods of this path are DELETE, GET, HEAD, OPTIONS"},
        {"POST", "/_sw/settings", "{}", 405, "the methods of this path are GET, HEAD, OPTIONS"},
        {"GET", "/_sw/runs/01J8", NULL, 404, "no such run: an id has 26 letters and digits"},
        {"POST", "/_sw/runs", "{", 400, "the body is not JSON: line 1, column 2"},
        {"PUT", "/_sw/settings/endpoint:ship", "{\"value\":{}}", 400, "\\\"stopped\\\": true or false"},
        {"PUT", "/_sw/settings/endpoint:ship", "{\"value\":{\"retryAfter\":1}}", 400, "\\\"stopped\\\": true or false"},
        {"POST", "/_sw/runs/ID/signals/go?question=0", "1", 400, "16 hexadecimal digits"},
        {"POST", "/_sw/runs/ID/signals/go?question=0123456789ABCDEF", "1", 404, "no such question"},
        {"POST", "/_sw/runs/ID/resume", "{\"generation\":7}", 409, "has not ended"},
        {"POST", "/_sw/runs/ID/resume", "{\"timeoutMs\":253402300800000}", 400, "up to 253402300799999"},
        {"POST", "/_sw/bulk", "{\"action\":\"cancel\",\"filter\":{},\"asOf\":1795870834509000}", 400, "milliseconds"},
        {"POST", "/_sw/runs", "{\"endpoint\":\"POST /wiat\",\"target\":\"/wiat\"}", 404, "GET /_sw/endpoints has all"},
        {"POST", "/_sw/bulk", "{\"action\":\"cancel\",\"filter\":{\"status\":\"failed\"}}", 400,
         "takes endpoint, state, "},
        {"POST", "/_sw/runs/ID/fork", "{\"dryrun\":true}", 400,
         "it takes \\\"from\\\", \\\"body\\\", \\\"dryRun\\\"\""},
        {"POST", "/_sw/functions/shp", "{}", 404, "GET /_sw/endpoints has all"},
        {"POST", "/_sw/schedules/shp", "", 404, "GET /_sw/schedules has all"},
    };
    static const char *const two[] = {"Authorization: Bearer a", "Authorization: Bearer b", NULL};
    start("others");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_refused(&all[i]);
    call(NULL, server_url("/_sw/runs"), two, NULL, 0, &a);
    CHECK_INT(a.status, 400);
    CHECK(strstr(a.body, "more than one Authorization"));
    check_untouched();
    ask("PUT", "/_sw/settings/endpoint:POST%20/wait",
        "{\"value\":{\"stopped\":true}}"); /* as it is written in a path */
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, "\"name\":\"endpoint:POST /wait\""));
    ask("DELETE", "/_sw/settings/endpoint:POST%20%2Fwait", NULL);
    CHECK_INT(a.status, 204);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Strangers may send so much, and whoever sends more is told how much that is. */
static void test_size(void)
{
    static char large[65538];
    char data[128], admin[160];
    served_admin_on_public = false;
    snprintf(data, sizeof data, "%s/size", root);
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--admin-listen", "127.0.0.1:0", NULL});
    served_admin_on_public = true;
    snprintf(admin, sizeof admin, "%s/_sw/bulk", server.admin);
    memset(large, ' ', sizeof large - 1);
    call("POST", admin, NULL, large, 0, &a);
    CHECK_INT(a.status, 413);
    CHECK(strstr(a.body, "larger than the 65536 bytes that are taken here"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"a parameter that a request does not take", test_parameters},
                                   {"methods, ids, bodies and tokens", test_others},
                                   {"a body that is too large", test_size}};

SERVED_MAIN(serve, NULL, cases)
