/* Who may use the admin API, and for what: tokens, their scopes, and what browsers say of a request. */
#include "runtime/stepwell.h"
#include <sys/stat.h>

#include "http/server/server.h"
#include "tests/harness/served.h"

static void on_wait(sw_ctx *c)
{
    sw_sleep(c, "long", 3600000);
    sw_reply_text(c, 200, "waited");
}

static void on_pid(sw_ctx *c)
{
    char pid[24];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    sw_reply_text(c, 200, "%s", pid);
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("rights");
    sw_route(app, "GET /pid", on_pid);
    sw_endpoint(app, "POST /wait", on_wait, NULL);
    return sw_main(app, argc, argv);
}

static char data[128], said[65536], spec[4][256];
static answer a;

#define START(...) start((const char *const[]){__VA_ARGS__, NULL})
#define ANN        "Authorization: Bearer ann-may-look-and-nothing-else"
#define OPS        "Authorization: bearer ops_may_look_and_act"
#define ROOT       "Authorization: Bearer root/may/do/everything=="

/* "NAME:SCOPES:FILE", the file holding `token`; one of four texts. */
static const char *token_spec(int slot, const char *name_and_scopes, const char *token, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/token-%d", root, slot);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(token, f) >= 0 && fclose(f) == 0 && chmod(path, mode) == 0);
    snprintf(spec[slot], sizeof spec[slot], "%s:%s", name_and_scopes, path);
    return spec[slot];
}

static void make_tokens(void)
{
    (void)token_spec(0, "ann:view", "ann-may-look-and-nothing-else\n", 0600);
    (void)token_spec(1, "ops:act,view", "ops_may_look_and_act", 0640);
    (void)token_spec(2, "root:admin", "root/may/do/everything==\r\n", 0600);
}

static void start(const char *const *flags)
{
    const char *all[SERVED_ARGS_MAX] = {"--data", data};
    size_t n = 2;
    snprintf(data, sizeof data, "%s/data", root);
    for (; *flags; flags++) all[n++] = *flags;
    served_start(&server, all);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

/* Ends the server, and keeps what its log has said since it served. */
static void hear_the_rest(void)
{
    size_t len = 0;
    CHECK(kill(server.pid, SIGTERM) == 0);
    for (ssize_t n; (n = read(server.log, said + len, sizeof said - 1 - len)) > 0;) len += (size_t)n;
    said[len] = 0;
    CHECK_INT(served_stop(&server, 0), 0);
}

static void start_with_tokens(const char *flag, const char *value)
{
    make_tokens();
    START("--admin-listen", "127.0.0.1:0", "--token", spec[0], "--token", spec[1], "--token", spec[2], flag, value);
}

static long ask(const char *method, const char *path, const char *first, const char *second)
{
    char url[512];
    snprintf(url, sizeof url, "%s%s", server.admin, path);
    const char *const headers[] = {first ? first : second, first ? second : NULL, NULL};
    call(method, url, headers, NULL, 0, &a);
    return a.status;
}

static const char *header(const char *name)
{
    static char text[1024];
    return answer_header(&a, name, text, sizeof text);
}

static void test_scopes(void)
{
    char output[512], run[512], release[528];
    start_with_tokens(NULL, NULL);
    server_begin("POST", "/wait", output, sizeof output);
    snprintf(run, sizeof run, "%.*s", (int)(strstr(output, "/output") - output), output);
    CHECK_INT(ask("GET", "/_sw/runs", ANN, NULL), 200);
    CHECK_INT(ask("GET", "/_sw/metrics", ANN, NULL), 200);
    CHECK_INT(ask("GET", run, ANN, NULL), 200);
    CHECK_INT(ask("DELETE", run, ANN, NULL), 403);
    CHECK(strstr(a.body, "cancelling a run needs scope act, which the token of ann does not have"));
    CHECK_STR(header("WWW-Authenticate"), "Bearer realm=\"admin\", error=\"insufficient_scope\", scope=\"act\"");
    snprintf(release, sizeof release, "%s/release", run);
    CHECK_INT(ask("POST", release, ANN, NULL), 403);
    CHECK_INT(ask("POST", release, OPS, NULL), 409);
    CHECK_INT(ask("POST", "/_sw/backup?name=x", ANN, NULL), 403);
    CHECK_INT(ask("POST", "/_sw/backup?name=x", OPS, NULL), 403);
    CHECK(strstr(a.body, "needs scope admin"));
    CHECK_INT(ask("POST", "/_sw/backup?name=x", ROOT, NULL), 409); /* there is no --backup-dir */
    CHECK_INT(ask("GET", "/_sw/runs", OPS, NULL), 200);
    CHECK_INT(ask("GET", "/_sw/runs", ROOT, NULL), 200);
    CHECK_INT(ask("DELETE", run, OPS, NULL), 200);
    hear_the_rest();
    CHECK(strstr(said, "cancelling a run: asked by operator ops"));
    CHECK(strstr(said, "making a backup: asked by operator root"));
    CHECK(!strstr(said, "operator ann") && !strstr(said, "ops_may_look_and_act"));
}

static void check_by(const char *run, const char *kind, const char *by)
{
    char words[128];
    CHECK_INT(ask("GET", run, ANN, NULL), 200);
    snprintf(words, sizeof words, "\"kind\":\"%s\"", kind);
    const char *entry = strstr(a.body, words), *end = entry ? strchr(entry, '}') : NULL;
    snprintf(words, sizeof words, "\"by\":\"%s\"", by);
    const char *found = end ? strstr(entry, words) : NULL;
    if (!found || found > end) printf("# %s\n", a.body);
    CHECK(found && found < end);
}

/* A run in memory is told, a parked one gets a letter: the journal says by whom in both cases. */
static void test_entries(void)
{
    static const char *const park_after[] = {"0", "2h"};
    char output[512], run[512], release[528];
    for (int i = 0; i < 2; i++) {
        start_with_tokens("--park-after", park_after[i]);
        server_begin("POST", "/wait", output, sizeof output);
        snprintf(run, sizeof run, "%.*s", (int)(strstr(output, "/output") - output), output);
        CHECK_INT(ask("DELETE", run, OPS, NULL), 200);
        check_by(run, "cancel", "ops");
        server_begin("POST", "/wait", output, sizeof output);
        snprintf(run, sizeof run, "%.*s", (int)(strstr(output, "/output") - output), output);
        snprintf(release, sizeof release, "%s%s", run, strchr(output, '?'));
        call("DELETE", server_url(release), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 200);
        check_by(run, "cancel", "client");
        server_begin("POST", "/wait", output, sizeof output);
        stop();
    }
    start_with_tokens("--no-resume", "--no-resume");
    while (ask("GET", "/_sw/readyz", NULL, "X: y") != 200) usleep(10000); /* before that no run is known to be there */
    snprintf(run, sizeof run, "%.*s", (int)(strstr(output, "/output") - output), output);
    snprintf(release, sizeof release, "%s/release", run);
    CHECK_INT(ask("POST", release, ROOT, NULL), 200);
    check_by(run, "released", "root");
    stop();
}

static void test_wrong_tokens(void)
{
    start_with_tokens(NULL, NULL);
    CHECK_INT(ask("GET", "/_sw/runs", NULL, "X: y"), 401);
    CHECK(strstr(a.body, "scope view"));
    CHECK_STR(header("WWW-Authenticate"), "Bearer realm=\"admin\"");
    static const char *const wrong[] = {
        "Authorization: Bearer ann-may-look-and-nothing-els",   "Authorization: Bearer ann-may-look-and-nothing-else-",
        "Authorization: Bearer Ann-may-look-and-nothing-else",  "Authorization: Bearer x",
        "Authorization: Bearer ann-may-look-and-nothing-else,", "Authorization: Bearer ann"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK_INT(ask("GET", "/_sw/runs", wrong[i], NULL), 403);
    CHECK_INT(ask("GET", "/_sw/runs", "Authorization: Basic ann-may-look-and-nothing-else", NULL), 401);
    CHECK_INT(ask("GET", "/_sw/runs?token=ann-may-look-and-nothing-else", NULL, "X: y"), 401);
    CHECK_INT(ask("GET", "/_sw/runs", "Cookie: token=ann-may-look-and-nothing-else", NULL), 401);
    call(NULL, server_url("/_sw/runs"), (const char *const[]){ROOT, NULL}, NULL, 0, &a);
    CHECK_INT(a.status, 404); /* not at the public door */
    hear_the_rest();
    const char *told = strstr(said, "was given a token that is not right, by 127.0.0.1 (1 times");
    CHECK(told && !strstr(told + 1, "was given a token") && !strstr(said, "ann-may-look"));
}

/* A page whose name was made to resolve to this machine has its own name as Host, and no other site's page is let in.
 */
static void test_sites(void)
{
    char host[128], own[160];
    const char *port = NULL;
    start_with_tokens("--admin-host", "admin.example.com, ops.example.com");
    port = strrchr(server.admin, ':') + 1;
    static const char *const right[] = {"Host: localhost",         "Host: 127.0.0.1:1",   "Host: [::1]:8080",
                                        "Host: 192.0.2.7:9000",    "Host: [2001:db8::1]", "Host: ADMIN.example.com",
                                        "Host: ops.example.com:80"};
    static const char *const foreign[] = {"Host: evil.example",
                                          "Host: admin.example.com.evil.example",
                                          "Host: 127.0.0.1.evil",
                                          "Host: example.com",
                                          "Host: localhost.evil",
                                          "Host: [::1",
                                          "Host: 127.1",
                                          "Host: [evil.example]",
                                          "Host: admin.example.com,",
                                          "Host: .example.com"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) CHECK_INT(ask("GET", "/_sw/runs", ANN, right[i]), 200);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        long status = ask("GET", "/_sw/runs", ANN, foreign[i]);
        if (status != 400 && status != 403) printf("# %s\n", foreign[i]);
        CHECK(status == 403 || status == 400);
        CHECK(status == 400 || strstr(a.body, "--admin-host"));
    }
    snprintf(own, sizeof own, "Origin: http://127.0.0.1:%s", port);
    CHECK_INT(ask("GET", "/_sw/runs", ANN, own), 200);
    snprintf(own, sizeof own, "Origin: https://127.0.0.1:%s", port); /* a proxy in front speaks TLS */
    CHECK_INT(ask("GET", "/_sw/runs", ANN, own), 200);
    snprintf(own, sizeof own, "Origin: http://localhost:%s", port);
    CHECK_INT(ask("GET", "/_sw/runs", ANN, own), 403);
    CHECK(strstr(a.body, "Origin must be absent"));
    CHECK_INT(ask("GET", "/_sw/runs", ANN, "Origin: null"), 403);
    CHECK_INT(ask("GET", "/_sw/runs", ANN, "Origin: https://evil.example"), 403);
    snprintf(own, sizeof own, "Origin: http://%s", strstr(server.address, "127"));
    CHECK_INT(ask("GET", "/_sw/runs", ANN, own), 403); /* the public port is another site */
    static const char *const embedded[] = {"cross-site", "same-site", "Same-Origin"}; /* in an image of a page, say */
    for (size_t i = 0; i < sizeof embedded / sizeof *embedded; i++) {
        snprintf(own, sizeof own, "Sec-Fetch-Site: %s", embedded[i]);
        CHECK_INT(ask("GET", "/_sw/runs", ANN, own), 403);
    }
    CHECK(strstr(a.body, "Sec-Fetch-Site must be"));
    CHECK_INT(ask("GET", "/_sw/runs", ANN, "Sec-Fetch-Site: same-origin"), 200);
    CHECK_INT(ask("GET", "/_sw/runs", ANN, "Sec-Fetch-Site: none"), 200);
    snprintf(host, sizeof host, "Host: evil.example");
    CHECK_INT(ask("GET", "/_sw/healthz", NULL, host), 200);
    stop();
}

static void test_dev(void)
{
    make_tokens();
    START("--dev", "--token", spec[0]);
    CHECK_INT(ask("GET", "/_sw/runs", NULL, "X: y"), 200);
    CHECK_INT(ask("GET", "/_sw/runs", NULL, "Host: evil.example"), 403);
    CHECK_INT(ask("GET", "/_sw/runs", NULL, "Host: 192.0.2.7"), 403);
    CHECK_INT(ask("GET", "/_sw/runs", NULL, "Sec-Fetch-Site: cross-site"), 403);
    CHECK_INT(ask("GET", "/_sw/runs", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: cross-site"), 200); /* a link */
    CHECK_INT(ask("GET", "/_sw/runs", ANN, NULL), 200);
    CHECK_INT(ask("POST", "/_sw/backup?name=x", ANN, NULL), 403); /* who gives a token has its scopes */
    CHECK_INT(ask("POST", "/_sw/backup?name=x", NULL, "X: y"), 409);
    stop();
    START("--admin-listen", "127.0.0.1:0");
    CHECK_INT(ask("GET", "/_sw/runs", NULL, "X: y"), 403);
    CHECK(strstr(a.body, "--token NAME:SCOPES:FILE"));
    stop();
}

static long exchange(const char *code, const char *header_line)
{
    char url[256];
    snprintf(url, sizeof url, "%s/_sw/session", server.admin);
    call("POST", url, (const char *const[]){header_line, NULL}, code, 0, &a);
    return a.status;
}

/* Starts with these flags, and keeps what the log says first. */
static void start_and_hear(const char *const *flags)
{
    const char *all[SERVED_ARGS_MAX] = {"--data", data};
    int exit_code = 0;
    size_t n = 2;
    snprintf(data, sizeof data, "%s/data", root);
    for (; *flags; flags++) all[n++] = *flags;
    CHECK(served_try(&server, all, said, sizeof said, &exit_code));
}

/* Writes the code that the log has, and starts with these flags. */
static void start_with_code(char code[65], const char *const *flags)
{
    start_and_hear(flags);
    const char *found = strstr(said, "curl -d "), *url = found ? found + 8 + 65 : NULL;
    CHECK(found && strspn(found + 8, "0123456789abcdef") == 64);
    CHECK(strncmp(url, server.admin, strlen(server.admin)) == 0);
    CHECK(strncmp(url + strlen(server.admin), "/_sw/session\n", 13) == 0);
    snprintf(code, 65, "%s", found + 8);
}

/* What the log says is true: who follows it sees the runs, and no code is given where nobody needs one. */
static void test_said(void)
{
    static const char *const listen[] = {"127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"};
    for (size_t i = 0; i < sizeof listen / sizeof *listen; i++) {
        const char *const flags[] = {"--dev", "--admin-listen", listen[i], NULL};
        char url[256];
        int probe = http_listen(listen[i], url, sizeof url);
        if (probe < 0) continue; /* this machine has no IPv6 */
        close(probe);
        start_and_hear(flags);
        const char *found = strstr(said, "curl http://");
        CHECK(found && sscanf(found, "curl %255s", url) == 1);
        call(NULL, url, NULL, NULL, 0, &a);
        CHECK_INT(a.status, 200);
        CHECK(strstr(a.body, "\"runs\":["));
        CHECK((strstr(said, "curl -d") != NULL) == (i >= 2));
        stop();
    }
}

static void test_code(void)
{
    char code[65], other[65], bearer[128];
    static char large[65538];
    const char *const flags[] = {"--dev", "--admin-listen", "0.0.0.0:0", "--loops", "2", "--body-max", "0", NULL};
    start_with_code(code, flags);
    snprintf(other, sizeof other, "%s", code);
    other[63] = other[63] == '0' ? '1' : '0';
    CHECK_INT(exchange(other, "X: y"), 403);
    CHECK_INT(exchange("", "X: y"), 403);
    memset(large, 'a', 65537);
    CHECK_INT(exchange(large, "X: y"), 413);
    large[65536] = 0;
    CHECK_INT(exchange(large, "X: y"), 403);
    CHECK_INT(exchange(code, "Origin: https://evil.example"), 403);
    CHECK_INT(exchange(code, "Host: evil.example"), 403);
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", code);
    CHECK_INT(ask("GET", "/_sw/runs", bearer, "Host: 192.0.2.7"), 403); /* where --dev trusts nobody it is no token */
    CHECK(strstr(a.body, "that is no token of this server"));
    CHECK_INT(ask("GET", "/_sw/runs", "Authorization: Basic x", "Host: 192.0.2.7"), 401);
    CHECK(strstr(a.body, "--dev logs a code"));
    CHECK_INT(exchange(code, "X: y"), 200);
    const char *token = strstr(a.body, "\"token\":\"");
    CHECK(token && strspn(token + 9, "0123456789abcdef") == 64);
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %.64s", token + 9);
    CHECK_INT(ask("GET", "/_sw/runs", bearer, "Host: 192.0.2.7"), 200);
    CHECK_INT(ask("POST", "/_sw/backup?name=x", bearer, "Host: 192.0.2.7"), 409);
    CHECK_INT(exchange(code, "X: y"), 403); /* once */
    CHECK(strstr(a.body, "it was used"));
    CHECK_INT(ask("GET", "/_sw/session", NULL, "X: y"), 405);
    call("POST", server_url("/_sw/session"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 404);
    stop();
    start_with_code(other, flags); /* another process, another code */
    CHECK(strcmp(code, other) != 0);
    CHECK_INT(ask("GET", "/_sw/runs", bearer, "Host: 192.0.2.7"), 403);
    hear_the_rest();
    CHECK(strstr(said, "was given a token that is not right"));
    START("--dev");
    CHECK_INT(exchange(other, "X: y"), 404);
    stop();
    START("--admin-listen", "127.0.0.1:0");
    CHECK_INT(exchange(other, "X: y"), 404);
    stop();
}

static void wait_for_status(long status, const char *as)
{
    for (int tries = 0; ask("GET", "/_sw/runs", as, NULL) != status; tries++) {
        CHECK(tries < 600);
        usleep(100000);
    }
}

static pid_t worker_pid(void)
{
    while (!call_try("GET", server_url("/pid"), NULL, NULL, 0, &a)) usleep(10000);
    return (pid_t)atoi(a.body);
}

/* An operator's file that went bad changes nothing for a worker that serves, and takes that operator from the next one
 * after a crash; clients are served. When it is good again SIGHUP brings the operator back. */
static void test_bad_file(void)
{
    make_tokens();
    START("--supervise", "--loops", "1", "--admin-listen", "127.0.0.1:0", "--token", spec[0], "--token", spec[1]);
    pid_t first = worker_pid();
    CHECK(unlink(strrchr(spec[0], ':') + 1) == 0);
    CHECK(kill(server.pid, SIGHUP) == 0 && kill(first, SIGKILL) == 0);
    CHECK(worker_pid() != first);
    CHECK_INT(ask("GET", "/_sw/runs", OPS, NULL), 200);
    CHECK_INT(ask("GET", "/_sw/runs", ANN, NULL), 403);
    make_tokens();
    CHECK(kill(server.pid, SIGHUP) == 0);
    wait_for_status(200, ANN);
    hear_the_rest();
    CHECK(strstr(said, "No such file or directory: this operator is left out"));
}

/* ---- Flags ---- */

static void refused(const char *words, const char *first, const char *second)
{
    served s;
    int code = 0;
    const char *const flags[] = {"--data", data, "--token", first, second ? "--token" : NULL, second, NULL};
    snprintf(data, sizeof data, "%s/data", root);
    CHECK(!served_try(&s, flags, said, sizeof said, &code));
    CHECK_INT(code, 2);
    if (!strstr(said, words)) printf("# it said: %s\n", said);
    CHECK(strstr(said, words));
    CHECK(strstr(said, "--token "));
}

static void test_wrong_flags(void)
{
    static const char good[] = "good-enough-for-a-token";
    refused("must be NAME:SCOPES:FILE", "ann", NULL);
    refused("must be NAME:SCOPES:FILE", "ann:view", NULL);
    refused("must be NAME:SCOPES:FILE", "ann:view:", NULL);
    refused("a name is 1 to 32", ":view:/dev/null", NULL);
    refused("a name is 1 to 32", "an n:view:/dev/null", NULL);
    refused("a name is 1 to 32", "abcdefghijklmnopqrstuvwxyz-0123456789:view:/dev/null", NULL);
    refused("that name is taken", "client:view:/dev/null", NULL);
    refused("that name is taken", "dev:view:/dev/null", NULL);
    refused("\"see\" is no scope: they are view, act, start and admin", "ann:see:/dev/null", NULL);
    refused("\"View\" is no scope", "ann:View:/dev/null", NULL);
    refused("\"\" is no scope", "ann::/dev/null", NULL);
    refused("\"\" is no scope", "ann:view,:/dev/null", NULL);
    refused("the file cannot be read: No such file", "ann:view:/none/at/all", NULL);
    refused("the file cannot be read: Is a directory", "ann:view:/tmp", NULL);
    refused("the file is empty", "ann:view:/dev/null", NULL);
    refused("the file is empty", token_spec(0, "ann:view", " \r\n\n", 0600), NULL);
    refused("16 to 4,096 characters", token_spec(0, "ann:view", "short\n", 0600), NULL);
    refused("16 to 4,096 characters", "ann:view:/dev/zero", NULL);
    refused("letters, digits and", token_spec(0, "ann:view", "good-enough for-a-token", 0600), NULL);
    refused("the form of a run's token",
            token_spec(0, "ann:view", "1234567890.0123456789012345678901234567890123456789012", 0600), NULL);
    refused("the name is there twice", token_spec(0, "ann:view", good, 0600),
            token_spec(1, "ann:act", "another-token-of-hers", 0600));
    refused("another name has the same token", token_spec(0, "ann:view", good, 0600),
            token_spec(1, "bob:act", good, 0600));
}

/* What the log says of flags that are not wrong, and not right either. */
static void check_warned(const char *words, const char *const *flags)
{
    served s;
    int code = 0;
    CHECK(served_try(&s, flags, said, sizeof said, &code));
    if (!strstr(said, words)) printf("# it said: %s\n", said);
    CHECK(strstr(said, words));
    CHECK_INT(served_stop(&s, SIGTERM), 0);
}

static void test_warnings(void)
{
    snprintf(data, sizeof data, "%s/data", root);
    const char *open_file = token_spec(0, "ann:view", "ann-may-look-and-nothing-else", 0644);
    const char *const loose[] = {"--data", data, "--admin-listen", "127.0.0.1:0", "--token", open_file, NULL};
    check_warned("every user of this machine may read", loose);
    const char *const old[] = {"--data", data, "--admin-listen", "127.0.0.1:0", "--admin-token", "x", NULL};
    check_warned("--admin-token will go in the next version", old);
    const char *const no_door[] = {"--data", data, "--token", token_spec(1, "ops:act", "ops_may_look_and_act", 0600),
                                   NULL};
    check_warned("no address serves the admin API", no_door);
    const char *const nobody[] = {"--data", data, "--admin-listen", "127.0.0.1:0", NULL};
    check_warned("nobody may use the admin API", nobody);
}

static void prepare(void) { served_admin_on_public = false; }

static const check_case cases[] = {{"each scope lets do its own", test_scopes},
                                   {"who asked stands in the journal", test_entries},
                                   {"tokens that are not right", test_wrong_tokens},
                                   {"whose Host and Origin are not right", test_sites},
                                   {"--dev", test_dev},
                                   {"the log of --dev is followed", test_said},
                                   {"the code of --dev", test_code},
                                   {"a file that goes bad", test_bad_file},
                                   {"--token that is refused", test_wrong_flags},
                                   {"--token that is warned of", test_warnings}};

SERVED_MAIN(serve, prepare, cases)
