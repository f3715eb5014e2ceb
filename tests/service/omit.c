/* What an endpoint leaves out of its requests (.omit) is seen by no handler and is in no file of the data folder. */
#include <dirent.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

#define HIDDEN "open-sesame-4711" /* in each request, in each part that is left out */

static void on_order(sw_ctx *c)
{
    sw_sleep(c, "a journal is read again", 1);
    const char *token = sw_query(c, "token"), *agent = sw_header(c, "User-Agent"), *size = sw_query(c, "size");
    sw_reply_text(c, 201, "body %.*s, token %s, agent %s, size %s", (int)sw_body(c).len, (const char *)sw_body(c).data,
                  token ? token : "none", agent ? agent : "none", size ? size : "none");
}

static int serve(int argc, char **argv)
{
    static const char *const omit[] = {"json:pin", "json:/card/number", "query:token", "header:user-agent", NULL};
    sw_app *app = sw_app_new("omit");
    bool keeps_all = getenv("OMIT_NOTHING") != NULL; /* as a version did that had no .omit yet */
    sw_endpoint(app, "POST /orders", on_order, &(sw_endpoint_options){.omit = keeps_all ? NULL : omit});
    return sw_main(app, argc, argv);
}

static const char *const wrong_keys[] = {"json:pin", "pin", NULL};

static int serve_wrong(int argc, char **argv)
{
    sw_app *app = sw_app_new("omit");
    sw_endpoint(app, "POST /orders", on_order, &(sw_endpoint_options){.omit = wrong_keys});
    return sw_main(app, argc, argv);
}

static int serve_either(int argc, char **argv)
{
    return getenv("OMIT_WRONG") ? serve_wrong(argc, argv) : serve(argc, argv);
}

/* ---- The test ---- */

static answer a;
static char data[128];

static void start_in(const char *folder)
{
    snprintf(data, sizeof data, "%s/%s", root, folder);
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", "2", NULL});
}

static void start(void) { start_in("data"); }

static void post(const char *key, const char *body)
{
    char url[512], line[128];
    snprintf(url, sizeof url, "%s/orders?size=7&token=" HIDDEN, server.address);
    snprintf(line, sizeof line, "Idempotency-Key: \"%s\"", key ? key : "");
    const char *headers[] = {"User-Agent: " HIDDEN, "Content-Type: application/json", key ? line : NULL, NULL};
    call("POST", url, headers, body, 1, &a);
}

/* Whether any file below the folder has the bytes of HIDDEN. */
static bool folder_has_hidden(const char *path)
{
    bool has = false;
    DIR *d = opendir(path);
    CHECK(d);
    for (struct dirent *e; !has && (e = readdir(d));) {
        char name[512];
        if (e->d_name[0] == '.') continue;
        CHECK((size_t)snprintf(name, sizeof name, "%s/%s", path, e->d_name) < sizeof name);
        if (e->d_type == DT_DIR) {
            has = folder_has_hidden(name);
            continue;
        }
        FILE *f = fopen(name, "r");
        if (!f) continue; /* the store has just deleted it */
        static char bytes[1 << 20];
        for (size_t n, before = 0; (n = fread(bytes + before, 1, sizeof bytes - before, f)) > 0;) {
            has = has || memmem(bytes, before + n, HIDDEN, sizeof HIDDEN - 1);
            before = before + n < sizeof HIDDEN ? before + n : sizeof HIDDEN;
            memmove(bytes, bytes + n, before);
        }
        fclose(f);
    }
    closedir(d);
    return has;
}

static void test_left_out(void)
{
    start();
    post(NULL, "{\"pin\":\"" HIDDEN "\",\"card\":{\"number\":\"" HIDDEN "\",\"name\":\"n\"},\"n\":1}");
    CHECK_INT(a.status, 201);
    CHECK_STR(a.body, "body {\"card\":{\"name\":\"n\"},\"n\":1}, token none, agent none, size 7");
    post(NULL, "{\"p\\u0069n\":\"" HIDDEN "\"}");
    CHECK_STR(a.body, "body {}, token none, agent none, size 7");
    post(NULL, "");
    CHECK_STR(a.body, "body , token none, agent none, size 7");
    post(NULL, "{\"list\":[{\"pin\":\"" HIDDEN "\"},2.5]}");
    CHECK_STR(a.body, "body {\"list\":[{},2.5]}, token none, agent none, size 7");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK(!folder_has_hidden(data));
    start();
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    CHECK(!folder_has_hidden(data));
}

/* Asks for a fork that has another body, as JSON text. */
static void fork_with(const char *id, const char *body)
{
    char path[128], wish[256];
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", id);
    snprintf(wish, sizeof wish, "{\"body\":%s}", body);
    call("POST", server_url(path), (const char *const[]){"Content-Type: application/json", NULL}, wish, 0, &a);
}

static void test_fork(void)
{
    char id[64];
    start();
    post(NULL, "{}");
    answer_header(&a, "X-Run-Id", id, sizeof id);
    fork_with(id, "\"pin=" HIDDEN "\"");
    CHECK_INT(a.status, 400);
    CHECK(strstr(a.body, "nothing was done"));
    fork_with(id, "{\"pin\":\"" HIDDEN "\",\"n\":7}");
    CHECK_INT(a.status, 202);
    while (server_metric("runs_succeeded_total") < 2) usleep(2000);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK(!folder_has_hidden(data));
}

/* Whether the page of the fork whose beginning was answered last has the bytes of HIDDEN. */
static bool fork_has_hidden(void)
{
    char path[64];
    const char *id = strstr(a.body, "\"runId\":\"");
    CHECK(id);
    snprintf(path, sizeof path, "/_sw/runs/%.26s", id + strlen("\"runId\":\""));
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, "\"request\":"));
    return strstr(a.body, HIDDEN) != NULL;
}

static void start_keeping_all(char json[64], char text[64])
{
    setenv("OMIT_NOTHING", "1", 1);
    start_in("older");
    post(NULL, "{\"pin\":\"" HIDDEN "\",\"n\":1}");
    CHECK(a.status == 201 && strstr(a.body, HIDDEN));
    answer_header(&a, "X-Run-Id", json, 64);
    post(NULL, "pin=" HIDDEN);
    answer_header(&a, "X-Run-Id", text, 64);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    unsetenv("OMIT_NOTHING");
}

/* A fork copies the request of a run, which may be older than its endpoint's .omit. */
static void test_older(void)
{
    static const char wish[] = "{}", other[] = "{\"body\":{\"n\":2}}";
    char json[64], text[64], path[128];
    start_keeping_all(json, text);
    start_in("older");
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", json);
    call("POST", server_url(path), NULL, wish, 0, &a);
    CHECK_INT(a.status, 202);
    CHECK(!fork_has_hidden());
    CHECK(strstr(a.body, "{\\\"n\\\":1}") && strstr(a.body, "size=7")); /* what is not left out is copied */
    call("POST", server_url(path), NULL, other, 0, &a);
    CHECK_INT(a.status, 202);
    CHECK(!fork_has_hidden());
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", text);
    call("POST", server_url(path), NULL, wish, 0, &a);
    CHECK_INT(a.status, 409);
    CHECK(strstr(a.body, "give the fork another one"));
    call("POST", server_url(path), NULL, other, 0, &a);
    CHECK_INT(a.status, 202);
    CHECK(!fork_has_hidden());
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_no_json(void)
{
    static const char *const bodies[] = {"pin=" HIDDEN, "{\"pin\":\"" HIDDEN "\"", "{\"pin\":\"" HIDDEN "\"} x"};
    start();
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        post(i == 1 ? "a key" : NULL, bodies[i]);
        CHECK_INT(a.status, 400);
        CHECK(strstr(a.body, "nothing was done") && !strstr(a.body, HIDDEN));
    }
    post("a key", "{}"); /* what was refused has left no claim on its key */
    CHECK_INT(a.status, 201);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    CHECK(!folder_has_hidden(data));
}

/* What is left out does not tell two requests apart; all else does. */
static void test_key(void)
{
    char first[64], again[64];
    start();
    post("pay 1", "{\"pin\":\"1\",\"n\":1}");
    CHECK_INT(a.status, 201);
    answer_header(&a, "X-Run-Id", first, sizeof first);
    post("pay 1", "{\"n\":1,\"pin\":\"" HIDDEN "\"}");
    CHECK_INT(a.status, 201);
    answer_header(&a, "X-Run-Id", again, sizeof again);
    CHECK_STR(first, again);
    post("pay 1", "{\"n\":2,\"pin\":\"1\"}");
    CHECK_INT(a.status, 422);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void ask(const char *path, const char *key, const char *body)
{
    call("POST", server_url(path), (const char *const[]){key, NULL}, body, 0, &a);
}

/* Nor does a run have it that an operator begins, or forks with another body. */
static void test_operators(void)
{
    static const char key[] = "Idempotency-Key: one";
    char id[64], path[128], first[64];
    start();
    post(NULL, "{\"n\":1}");
    CHECK_INT(a.status, 201);
    answer_header(&a, "X-Run-Id", id, sizeof id);
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", id);
    ask(path, key, "{\"body\":{\"pin\":\"" HIDDEN "\",\"n\":2}}");
    CHECK_INT(a.status, 202);
    snprintf(first, sizeof first, "%.36s", a.body);
    ask(path, key, "{\"body\":{\"n\":2,\"pin\":\"other\"}}");
    CHECK_INT(a.status, 202);
    CHECK(strncmp(first, a.body, strlen(first)) == 0);
    ask(path, key, "{\"body\":{\"n\":3}}");
    CHECK_INT(a.status, 422);
    ask(path, NULL, "{\"body\":\"pin=" HIDDEN "\"}");
    CHECK_INT(a.status, 400);
    ask("/_sw/runs", key,
        "{\"endpoint\":\"POST /orders\",\"target\":\"/orders?token=" HIDDEN "\",\"body\":{\"pin\":\"" HIDDEN "\"}}");
    CHECK_INT(a.status, 202);
    snprintf(first, sizeof first, "%.36s", a.body);
    ask("/_sw/runs", key,
        "{\"endpoint\":\"POST /orders\",\"target\":\"/orders?token=other\",\"body\":{\"pin\":\"other\"}}");
    CHECK_INT(a.status, 202);
    CHECK(strncmp(first, a.body, strlen(first)) == 0);
    ask("/_sw/runs", "Idempotency-Key: two",
        "{\"endpoint\":\"POST /orders\",\"target\":\"/orders\",\"body\":\"pin=" HIDDEN "\"}");
    CHECK_INT(a.status, 400);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    CHECK(!folder_has_hidden(data));
}

static void test_wrong_key(void)
{
    char text[1024];
    int code = 0;
    setenv("OMIT_WRONG", "1", 1);
    CHECK(!served_try(&server, (const char *const[]){"--dev", NULL}, text, sizeof text, &code));
    unsetenv("OMIT_WRONG");
    CHECK_INT(code, 2);
    CHECK(strstr(text, "sw_endpoint: .omit: \"pin\" is no key"));
}

static const check_case cases[] = {{"no handler and no file has what is left out", test_left_out},
                                   {"a fork's body lacks it too", test_fork},
                                   {"nor has a fork of a run that had it", test_older},
                                   {"a body that is not JSON is refused", test_no_json},
                                   {"an Idempotency-Key does not depend on it", test_key},
                                   {"an operator's body neither", test_operators},
                                   {"a wrong key ends the start", test_wrong_key}};

SERVED_MAIN(serve_either, NULL, cases)
