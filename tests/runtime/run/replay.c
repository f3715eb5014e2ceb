/* Property: a run that is cut after any entry of its journal and resumed gives the same response, and runs only the
 * steps whose results the journal does not have. */
#include <inttypes.h>
#include <sys/stat.h>

#include "runtime/run/run_token.h"
#include "runtime/stepwell.h"
#include "storage/entry.h"
#include "storage/store.h"
#include "tests/harness/served.h"

enum { STEPS_MAX = 64, ENTRIES_MAX = 256 };

/* What the steps did, counted by id across processes. */
typedef struct tally {
    struct {
        char id[64];
        int attempts;
        int fail_first; /* attempts that are to fail */
    } steps[STEPS_MAX];
    int count;
} tally;

static tally *seen;

static int tally_of(const char *id)
{
    for (int i = 0; i < seen->count; i++)
        if (strcmp(seen->steps[i].id, id) == 0) return i;
    CHECK(seen->count < STEPS_MAX && strlen(id) < sizeof seen->steps[0].id);
    strcpy(seen->steps[seen->count].id, id);
    return seen->count++;
}

/* ---- The handlers ---- */

/* input: ["id", value] -> value + 1 */
static sw_value count_up(sw_ctx *c, sw_value input)
{
    int i = tally_of(sw_cstr(c, sw_at(input, 0)));
    int attempt = ++seen->steps[i].attempts;
    if (attempt <= seen->steps[i].fail_first) sw_fail_after(c, 1, "attempt %d of %s", attempt, seen->steps[i].id);
    return sw_int(sw_as_int(sw_at(input, 1), -1) + 1);
}

static sw_value input_for(sw_ctx *c, const char *id, int64_t n) { return sw_array(c, 2, sw_str(c, id), sw_int(n)); }

static int64_t step(sw_ctx *c, const char *id, int64_t n)
{
    return sw_as_int(sw_step(c, id, count_up, input_for(c, id, n)), -1);
}

static void sequential(sw_ctx *c)
{
    int64_t n = 0;
    for (int i = 0; i < 6; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%d", i);
        n = step(c, id, n * 2);
    }
    sw_reply_header(c, "X-Case", "sequential");
    sw_reply_text(c, 201, "n=%" PRId64 " %s\n", n, sw_query(c, "word"));
}

static sw_value inner(sw_ctx *c, sw_value input)
{
    int64_t n = sw_as_int(input, 0);
    char id[16];
    snprintf(id, sizeof id, "i%" PRId64 "a", n);
    n = step(c, id, n);
    snprintf(id, sizeof id, "i%" PRId64 "b", n);
    return sw_int(step(c, id, n));
}

static sw_value outer(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    int64_t n = sw_as_int(input, 0);
    char id[16];
    snprintf(id, sizeof id, "o%" PRId64, n);
    sw_group_step(g, id, count_up, input_for(c, id, n));
    sw_group_branch(g, "inner", inner, sw_int(n * 10));
    sw_group_branch(g, "inner", inner, sw_int(n * 10 + 100));
    return sw_group_wait(g);
}

static void branches(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "left", outer, sw_int(1));
    sw_group_branch(g, "right", outer, sw_int(2));
    sw_group_step(g, "beside", count_up, input_for(c, "beside", 7));
    sw_reply_json(c, 200, sw_group_wait(g));
}

static void failing(sw_ctx *c)
{
    sw_value out = sw_nil();
    sw_error err = {0};
    seen->steps[tally_of("f1")].fail_first = 2;
    seen->steps[tally_of("f2")].fail_first = 100;
    int64_t a = step(c, "f1", 1);
    bool ok = sw_try_with(c, "f2", count_up, input_for(c, "f2", 1), &(sw_step_options){.retries = 2, .backoff_ms = 1},
                          &out, &err);
    int64_t b = step(c, "f3", a);
    sw_reply_json(c, 200,
                  sw_map(c, "a", sw_int(a), "b", sw_int(b), "ok", sw_bool(ok), "attempts", sw_int(err.attempts),
                         "message", sw_str(c, err.message), NULL));
}

static void failed(sw_ctx *c)
{
    seen->steps[tally_of("g2")].fail_first = 100;
    step(c, "g1", 1);
    sw_step_with(c, "g2", count_up, input_for(c, "g2", 1), &(sw_step_options){.retries = 1, .backoff_ms = 1});
}

static void sleeping(sw_ctx *c)
{
    int64_t n = step(c, "z1", 1);
    sw_sleep(c, "nap", 5);
    n = step(c, "z2", n);
    sw_sleep(c, "long nap", 60); /* longer than --park-after: the run leaves memory */
    n = step(c, "z3", n);
    sw_reply_text(c, 200, "%" PRId64, n);
}

/* A recorded value must be the one that the step after it was given. */
static void values(sw_ctx *c)
{
    int64_t now = sw_now(c);
    int64_t random = (int64_t)(sw_random(c) >> 8);
    int64_t a = step(c, "v1", now), b = step(c, "v2", random);
    sw_push_chunk(c, sw_str(c, "chunk"));
    bool same = a == now + 1 && b == random + 1 && sw_now(c) >= now;
    sw_reply_text(c, 200, "%s", same ? "same" : "different");
}

static void each(sw_ctx *c)
{
    sw_value inputs = sw_nil();
    for (int i = 0; i < 9; i++) sw_push(c, &inputs, input_for(c, sw_printf(c, "e%d", i), i));
    sw_reply_json(c, 200, sw_each(c, "map", count_up, inputs, 4));
}

/* Its code changes between two starts of the program. */
static void changing(sw_ctx *c)
{
    const char *code = getenv("CODE") ? getenv("CODE") : "";
    int64_t n = step(c, "k1", 1);
    n = step(c, strcmp(code, "newer") == 0 ? "k-new" : "k-removed", n);
    if (strcmp(code, "other") == 0)
        n = step(c, "pause", n);
    else
        sw_sleep(c, "pause", 5);
    sw_reply_text(c, 200, "%" PRId64, step(c, "k3", n));
}

/* A function, which has its input again after each cut. */
static sw_value job(sw_ctx *c, sw_value input)
{
    int64_t n = step(c, "j1", sw_as_int(sw_get(input, "n"), 0)), now = sw_now(c);
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "left", outer, sw_int(n));
    sw_group_step(g, "beside", count_up, input_for(c, "beside", n));
    sw_value all = sw_group_wait(g);
    sw_sleep(c, "long nap", 60);
    bool same = step(c, "j2", now) == now + 1;
    return sw_map(c, "all", all, "same", sw_bool(same), "input", input);
}

/* Returns an input of so many levels, with what `job` reads in the outermost one. */
static const char *job_body(int levels)
{
    static char body[1024];
    size_t len = (size_t)sprintf(body, "{\"n\":4,\"deep\":");
    for (int i = 1; i < levels; i++) body[len++] = '[';
    for (int i = 1; i < levels; i++) body[len++] = ']';
    strcpy(body + len, "}");
    return body;
}

static const struct {
    const char *name, *route;
    sw_handler handler;
} handlers[] = {{"/sequential?word=h%C3%A9", "POST /sequential", sequential},
                {"/branches", "POST /branches", branches},
                {"/failing", "POST /failing", failing},
                {"/failed", "POST /failed", failed},
                {"/sleeping", "POST /sleeping", sleeping},
                {"/values", "POST /values", values},
                {"/each", "POST /each", each},
                {"/changing", "POST /changing", changing}};

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("replay");
    seen = share_memory(getenv("TALLY"), sizeof *seen);
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        sw_endpoint(app, handlers[i].route, handlers[i].handler, NULL);
    sw_function(app, "job", job, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Journals by hand ---- */

typedef struct loaded {
    char *data;
    size_t len;
} loaded;

static void on_committed(void *arg, store_segment *list)
{
    CHECK(!list->next && !list->error);
    *(bool *)arg = true;
}

static void on_loaded(void *arg, store_journal *journals, size_t count)
{
    loaded *l = arg;
    CHECK_INT(count, 1);
    CHECK(journals[0].found && !journals[0].error && !journals[0].live);
    l->data = malloc(journals[0].len);
    l->len = journals[0].len;
    memcpy(l->data, journals[0].data, l->len);
}

static void ignore(void *arg) { (void)arg; }

typedef struct open_store {
    uv_loop_t loop;
    store *store;
    store_port *port;
    bool committed;
} open_store;

static void store_begin(open_store *o, const char *path)
{
    char error[512];
    o->committed = false;
    CHECK(uv_loop_init(&o->loop) == 0);
    o->store = store_open(&(store_options){.path = path}, error, sizeof error);
    if (!o->store) printf("# %s\n", error);
    CHECK(o->store);
    o->port = store_port_open(o->store, &o->loop, on_committed, &o->committed);
    CHECK(o->port);
}

static void store_end(open_store *o)
{
    store_port_close(o->port, ignore, NULL);
    uv_run(&o->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&o->loop) == 0);
    store_close(o->store);
}

static loaded read_journal(const char *path, const run_id *id)
{
    open_store o;
    loaded l = {NULL, 0};
    store_begin(&o, path);
    CHECK(store_load(o.port, id, 1, on_loaded, &l));
    while (!l.data) uv_run(&o.loop, UV_RUN_ONCE);
    store_end(&o);
    return l;
}

static void write_journal(const char *path, const run_id *id, const char *data, size_t len)
{
    open_store o;
    store_begin(&o, path);
    store_segment s = {.run = *id, .live = STORE_LIVE_SET, .data = data, .len = len};
    store_append(o.port, &s);
    while (!o.committed) uv_run(&o.loop, UV_RUN_ONCE);
    store_end(&o);
}

/* ---- The property ---- */

static const char secret[] = "a secret of more than sixteen bytes";
static char secret_file[128], tally_file[128];

static const char *const *flags(const char *data)
{
    static const char *all[16];
    const char *const list[] = {"--data",           data,  "--secret-file", secret_file, "--loops", "1",
                                "--redirect-after", "60s", "--park-after",  "20ms",      "--dev",   NULL};
    memcpy(all, list, sizeof list);
    return all;
}

static void make_data_folder(char out[128])
{
    static int number;
    snprintf(out, 128, "%s/%d", root, ++number);
}

static void output_url(const served *s, const run_id *id, char *url, size_t size)
{
    char token[RUN_TOKEN_TEXT_MAX], text[RUN_ID_TEXT + 1];
    run_token_key key;
    run_token_key_derive(&key, secret, sizeof secret - 1);
    run_token_make(&key, id, RUN_TOKEN_CONTROL, run_id_time_ms(id) + 86400000, token);
    run_id_format(id, text);
    snprintf(url, size, "%s/_sw/runs/%s/output?token=%s", s->address, text, token);
}

/* How often each step may still run when the journal ends after `len` bytes. */
static void expect_tally(const char *data, size_t len, const tally *full)
{
    tally done = *full;
    for (int i = 0; i < done.count; i++) done.steps[i].attempts = 0;
    for (size_t at = 0; at < len;) {
        entry e;
        const char *error;
        size_t n = entry_decode(data + at, len - at, &e, &error);
        CHECK(n > 0);
        at += n;
        if (e.kind != ENTRY_STEP_DONE && e.kind != ENTRY_STEP_FAILED) continue;
        for (int i = 0; i < done.count; i++) {
            bool each_step = strncmp(done.steps[i].id, "e", 1) == 0 && e.id.len == 3 &&
                             memcmp(e.id.data, "map", 3) == 0 && atoi(done.steps[i].id + 1) == (int)e.occurrence;
            if (each_step ||
                (strlen(done.steps[i].id) == e.id.len && memcmp(done.steps[i].id, e.id.data, e.id.len) == 0))
                done.steps[i].attempts++;
        }
    }
    for (int i = 0; i < full->count; i++) {
        int missing = full->steps[i].attempts - done.steps[i].attempts, ran = 0;
        for (int j = 0; j < seen->count; j++)
            if (strcmp(seen->steps[j].id, full->steps[i].id) == 0) ran = seen->steps[j].attempts;
        /* The journal already has the failures: what is left of them happens, then the success. */
        if (ran != missing) printf("# step %s ran %d times after the cut, not %d\n", full->steps[i].id, ran, missing);
        CHECK_INT(ran, missing);
    }
}

/* A step that fails twice and had failed once before the cut fails only once more. */
static void preset_failures(const char *data, size_t len)
{
    memset(seen, 0, sizeof *seen);
    for (size_t at = 0; at < len;) {
        entry e;
        const char *error;
        size_t n = entry_decode(data + at, len - at, &e, &error);
        CHECK(n > 0);
        at += n;
        if (e.kind != ENTRY_STEP_FAILED) continue;
        char id[64];
        snprintf(id, sizeof id, "%.*s", (int)e.id.len, e.id.data);
        seen->steps[tally_of(id)].attempts++;
    }
}

static void cut_at(const char *name, const run_id *id, const loaded *journal, size_t len, const answer *expected,
                   const tally *full)
{
    static answer a;
    char data[128], url[512];
    served s;
    make_data_folder(data);
    write_journal(data, id, journal->data, len);
    preset_failures(journal->data, len);
    tally before = *seen;
    served_start(&s, flags(data));
    output_url(&s, id, url, sizeof url);
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(served_stop(&s, SIGTERM), 0);
    if (a.status != expected->status || strcmp(a.body, expected->body) != 0)
        printf("# %s cut after %zu bytes: %ld %s\n# instead of %ld %s\n", name, len, a.status, a.body, expected->status,
               expected->body);
    CHECK_INT(a.status, expected->status);
    CHECK_STR(a.body, expected->body);
    for (int i = 0; i < before.count; i++) seen->steps[i].attempts -= before.steps[i].attempts;
    expect_tally(journal->data, len, full);
    remove_tree(data);
}

/* Has a run begun, and waits for its answer. */
static void ask(const served *s, const char *name, answer *first, run_id *id)
{
    char url[512], id_text[64] = "";
    bool is_job = strncmp(name, "/_sw/", 5) == 0;
    snprintf(url, sizeof url, "%s%s", s->address, name);
    call("POST", url, NULL, is_job ? job_body(15) : "body", 0, first);
    if (is_job) CHECK(first->status == 202 && sscanf(first->body, "{\"runId\":\"%63[^\"]\"", id_text) == 1);
    if (!is_job) answer_header(first, "X-Run-Id", id_text, sizeof id_text);
    CHECK(run_id_parse(id_text, strlen(id_text), id));
    if (!is_job) return;
    output_url(s, id, url, sizeof url);
    call(NULL, url, NULL, NULL, 0, first);
}

/* What the handler answers when nothing happens to it, and its journal. */
static loaded run_once(const char *name, answer *first, run_id *id)
{
    char data[128];
    served s;
    memset(seen, 0, sizeof *seen);
    make_data_folder(data);
    served_start(&s, flags(data));
    ask(&s, name, first, id);
    CHECK_INT(served_stop(&s, SIGTERM), 0);
    CHECK(first->status == 200 || first->status == 201 || (first->status == 500 && strstr(name, "failed")));
    loaded journal = read_journal(data, id);
    remove_tree(data);
    return journal;
}

static void check_handler(const char *name)
{
    static answer first;
    run_id id;
    loaded journal = run_once(name, &first, &id);
    tally full = *seen;
    size_t entries = 0;
    for (size_t at = 0; at < journal.len; entries++) {
        entry e;
        const char *error;
        size_t n = entry_decode(journal.data + at, journal.len - at, &e, &error);
        CHECK(n > 0);
        at += n;
        if (e.kind != ENTRY_ENDED)
            cut_at(name, &id, &journal, at, &first, &full);
        else
            CHECK_INT(at, journal.len);
    }
    printf("# %s: cut after each of %zu entries\n", name, entries - 1);
    free(journal.data);
}

/* ---- Journals of other code ---- */

static size_t end_of(const loaded *journal, entry_kind kind)
{
    size_t at = 0;
    for (entry e = {.kind = ENTRY_ENDED}; e.kind != kind;) {
        const char *error;
        size_t n = entry_decode(journal->data + at, journal->len - at, &e, &error);
        CHECK(n > 0);
        at += n;
    }
    return at;
}

static void resume_with(const char *code, const run_id *id, const loaded *journal, size_t len, answer *a)
{
    char data[128], url[512];
    served s;
    memset(seen, 0, sizeof *seen);
    make_data_folder(data);
    write_journal(data, id, journal->data, len);
    CHECK(setenv("CODE", code, 1) == 0);
    served_start(&s, flags(data));
    CHECK(unsetenv("CODE") == 0);
    output_url(&s, id, url, sizeof url);
    call(NULL, url, NULL, NULL, 0, a);
    CHECK_INT(served_stop(&s, SIGTERM), 0);
    remove_tree(data);
}

static void test_changed_code(void)
{
    static answer a;
    run_id id;
    loaded journal = run_once("/changing", &a, &id);
    CHECK_STR(a.body, "4");
    size_t len = end_of(&journal, ENTRY_SLEEP);
    /* a step that is gone and one that is new: what is left fits */
    resume_with("newer", &id, &journal, len, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "4");
    CHECK_INT(seen->steps[tally_of("k1")].attempts, 0);
    CHECK_INT(seen->steps[tally_of("k-new")].attempts, 1);
    /* a step where the journal has a sleep: both are named */
    resume_with("other", &id, &journal, len, &a);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "it has a sleep \\\"pause\\\" where the code now has step \\\"pause\\\""));
    CHECK_INT(seen->steps[tally_of("pause")].attempts, 0);
    free(journal.data);
}

static void test_sequential(void) { check_handler(handlers[0].name); }
static void test_branches(void) { check_handler(handlers[1].name); }
static void test_failing(void) { check_handler(handlers[2].name); }
static void test_failed(void) { check_handler(handlers[3].name); }
static void test_sleeping(void) { check_handler(handlers[4].name); }
static void test_values(void) { check_handler(handlers[5].name); }
static void test_each(void) { check_handler(handlers[6].name); }

static void test_job(void) { check_handler("/_sw/functions/job"); }

static const check_case cases[] = {{"a sequence of steps", test_sequential},
                                   {"branches in branches", test_branches},
                                   {"steps that fail and are retried", test_failing},
                                   {"a run that fails", test_failed},
                                   {"sleeps, short and parked", test_sleeping},
                                   {"recorded values and chunks", test_values},
                                   {"sw_each", test_each},
                                   {"a function, which has its input again", test_job},
                                   {"code that has changed", test_changed_code}};

static void make_files(void)
{
    snprintf(secret_file, sizeof secret_file, "%s/secret", root);
    snprintf(tally_file, sizeof tally_file, "%s/tally", root);
    FILE *f = fopen(secret_file, "w");
    CHECK(f && fwrite(secret, 1, sizeof secret - 1, f) == sizeof secret - 1 && fclose(f) == 0);
    CHECK(setenv("TALLY", tally_file, 1) == 0);
    seen = share_memory(tally_file, sizeof *seen);
}

SERVED_MAIN(serve, make_files, cases)
