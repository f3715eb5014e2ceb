/* What an entry says of its place in the run: the branch that holds it, when its first attempt began, what it was
 * given, which opening of the store made it; the calls it made; what ended the run; and that a result used for another
 * input is reported. */
#include <endian.h>
#include <stdint.h>

#include "runtime/stepwell.h"
#include "storage/entry.h"
#include "storage/store.h"
#include "tests/harness/served.h"

enum { ENTRIES_MAX = 64 };

typedef struct notes {
    volatile unsigned hold, begun, version; /* version: which code the program has */
    volatile unsigned attempts[8];          /* of "call", by its input */
} notes;
static notes *seen;

/* ---- The program ---- */

static sw_value call_it(sw_ctx *c, sw_value input)
{
    int64_t n = sw_as_int(input, 0);
    (void)c;
    __atomic_add_fetch(&seen->attempts[n], 1, __ATOMIC_SEQ_CST);
    return sw_int(n * 10);
}

static sw_value wait_here(sw_ctx *c, sw_value input)
{
    __atomic_add_fetch(&seen->begun, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&seen->hold, __ATOMIC_SEQ_CST)) sw_sleep(c, "hold", 2);
    return input;
}

/* Version 2 has a new item in front of the two of version 1. */
static void on_each(sw_ctx *c)
{
    sw_value inputs = sw_nil();
    if (__atomic_load_n(&seen->version, __ATOMIC_SEQ_CST) == 2) sw_push(c, &inputs, sw_int(3));
    sw_push(c, &inputs, sw_int(1));
    sw_push(c, &inputs, sw_int(2));
    sw_value out = sw_each(c, "call", call_it, inputs, 0);
    (void)sw_step(c, "hold", wait_here, sw_nil());
    sw_reply_json(c, 200, out);
}

static sw_value same(sw_ctx *c, sw_value input) { return (void)c, (void)input, sw_int(1); }

static sw_value fail_once(sw_ctx *c, sw_value input)
{
    if (sw_attempt(c) == 1) sw_fail_after(c, 1, "once more");
    return input;
}

static sw_value fail_fatal(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_fail_fatal(c, "for good");
}

static sw_value twig(sw_ctx *c, sw_value input)
{
    (void)sw_step(c, "inner", fail_once, input);
    sw_sleep(c, "nap", 1);
    return sw_step(c, "broken", fail_fatal, input);
}

static void on_tree(sw_ctx *c)
{
    (void)sw_try(c, "tolerated", fail_fatal, sw_nil(), NULL, NULL);
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "twig", twig, sw_int(7));
    sw_group_step(g, "beside", fail_fatal, sw_nil());
    sw_group_step(g, "fine", call_it, sw_int(4));
    sw_reply_json(c, 200, sw_group_wait(g));
}

/* ---- Steps that call: this program itself, and nobody ---- */

enum { CALLS_MANY = 300, STREAM_BYTES = 1 << 20 };

static void on_answer(sw_ctx *c) { sw_reply_text(c, 203, "hello"); }

static void on_silence(sw_ctx *c) { sw_sleep(c, "silence", 3000); }

static void on_much(sw_ctx *c)
{
    static const char piece[4096];
    sw_reply_open(c, 200, "text/plain");
    for (size_t sent = 0; sent < STREAM_BYTES; sent += sizeof piece)
        if (!sw_reply_write(c, piece, sizeof piece)) return;
}

static sw_request to_us(sw_ctx *c, sw_value port, const char *path)
{
    static const char *const headers[] = {"Authorization: secret", NULL};
    return (sw_request){.url = sw_printf(c, "http://user:secret@127.0.0.1:%s%s?key=secret", sw_cstr(c, port), path),
                        .headers = headers};
}

static sw_value call_twice(sw_ctx *c, sw_value port)
{
    if (sw_attempt(c) == 1) (void)sw_fetch(c, &(sw_request){.url = "http://user:secret@127.0.0.1:1/secret?secret"});
    sw_request q = to_us(c, port, "/answer");
    (void)sw_fetch(c, &q);
    q = to_us(c, port, "/much");
    sw_stream *s = sw_fetch_open(c, &q);
    (void)sw_fetch_read(s);
    q = to_us(c, port, "/answer");
    q.method = "POST"; /* has no such route */
    (void)sw_fetch(c, &q);
    return sw_nil(); /* and the stream is cut */
}

static sw_value call_silence(sw_ctx *c, sw_value port)
{
    sw_request q = to_us(c, port, "/silence");
    (void)sw_fetch(c, &q);
    return sw_nil();
}

static sw_value call_many(sw_ctx *c, sw_value port)
{
    for (int i = 0; i < CALLS_MANY; i++) {
        sw_request q = to_us(c, port, "/answer");
        (void)sw_fetch(c, &q);
    }
    return sw_nil();
}

static void on_calls(sw_ctx *c)
{
    sw_value port = sw_str(c, sw_query(c, "port"));
    (void)sw_step_with(c, "twice", call_twice, port, &(sw_step_options){.backoff_ms = 1});
    (void)sw_try_with(c, "silence", call_silence, port, &(sw_step_options){.retries = SW_NO_RETRIES, .timeout_ms = 20},
                      NULL, NULL);
    (void)sw_step(c, "many", call_many, port);
    (void)sw_step(c, "none", fail_once, port);
}

static void on_inputs(sw_ctx *c)
{
    enum { JOURNALED = 16384, HEAD = 3 }; /* a string's head, in msgpack, at this length */
    char *text = sw_alloc(c, JOURNALED + 1);
    memset(text, 'x', JOURNALED);
    (void)sw_step(c, "nothing", same, sw_nil());
    (void)sw_step(c, "fits", same, sw_strn(c, text, JOURNALED - HEAD));
    (void)sw_step(c, "too long", same, sw_strn(c, text, JOURNALED - HEAD + 1));
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("journal_rows");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /each", on_each, &(sw_endpoint_options){.version = "v"});
    sw_endpoint(app, "GET /tree", on_tree, NULL);
    sw_endpoint(app, "GET /calls", on_calls, NULL);
    sw_endpoint(app, "GET /inputs", on_inputs, NULL);
    sw_route(app, "GET /answer", on_answer);
    sw_route(app, "GET /silence", on_silence);
    sw_route(app, "GET /much", on_much);
    return sw_main(app, argc, argv);
}

/* ---- Reading the journal ---- */

static answer a;

typedef struct journal {
    char *data;
    size_t len, count;
    entry all[ENTRIES_MAX];
} journal;

static void ignore(void *arg) { (void)arg; }
static void ignore_committed(void *arg, store_segment *list) { (void)arg, (void)list; }

static void on_loaded(void *arg, store_journal *journals, size_t count)
{
    journal *j = arg;
    CHECK_INT(count, 1);
    CHECK(journals->found && !journals->error);
    j->len = journals->len;
    j->data = malloc(j->len);
    memcpy(j->data, journals->data, j->len);
}

/* The run's entries, as the store has them; no program runs on the folder. */
static void read_run(const char *data, const char *id_text, journal *j)
{
    uv_loop_t loop;
    char error[512];
    run_id id;
    CHECK(uv_loop_init(&loop) == 0 && run_id_parse(id_text, RUN_ID_TEXT, &id));
    store *st = store_open(&(store_options){.path = data}, error, sizeof error);
    CHECK(st != NULL);
    store_port *port = store_port_open(st, &loop, ignore_committed, NULL);
    *j = (journal){.data = NULL};
    CHECK(store_load(port, &id, 1, on_loaded, j));
    while (!j->data) uv_run(&loop, UV_RUN_ONCE);
    store_port_close(port, ignore, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    store_close(st);
    for (size_t at = 0, taken; at < j->len; at += taken) {
        const char *why = NULL;
        CHECK(j->count < ENTRIES_MAX);
        taken = entry_decode(j->data + at, j->len - at, &j->all[j->count++], &why);
        CHECK(taken > 0);
    }
}

/* The first entry of that kind and id; NULL: none. */
static const entry *find(const journal *j, entry_kind kind, const char *id)
{
    for (size_t i = 0; i < j->count; i++)
        if (j->all[i].kind == kind && j->all[i].id.len == strlen(id) &&
            (!*id || memcmp(j->all[i].id.data, id, strlen(id)) == 0))
            return &j->all[i];
    return NULL;
}

static size_t index_of(const journal *j, const entry *e) { return (size_t)(e - j->all); }

static void start(const char *name, char data[128])
{
    snprintf(data, 128, "%s/%s", root, name);
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", NULL};
    served_start(&server, flags);
}

static void get(const char *path, const char *const *headers)
{
    char url[1200];
    snprintf(url, sizeof url, "%s%s", server.address, path);
    call(NULL, url, headers, NULL, 20, &a);
}

/* ---- Tests ---- */

static void entries_know_their_place(void)
{
    static journal j;
    char data[128], id[64];
    start("tree", data);
    get("/tree", NULL);
    CHECK_INT(a.status, 500);
    answer_header(&a, "X-Run-Id", id, sizeof id);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    read_run(data, id, &j);

    const entry *branch = find(&j, ENTRY_BRANCH, "twig"), *failed = find(&j, ENTRY_STEP_FAILED, "inner");
    const entry *done = find(&j, ENTRY_STEP_DONE, "inner"), *nap = find(&j, ENTRY_SLEEP, "nap");
    const entry *root_step = find(&j, ENTRY_STEP_DONE, "fine"), *tolerated = find(&j, ENTRY_STEP_FAILED, "tolerated");
    const entry *ended = find(&j, ENTRY_ENDED, "");
    CHECK(branch && failed && done && nap && root_step && tolerated && ended);
    CHECK(branch->path != 0 && branch->branch == root_step->branch && branch->branch == tolerated->branch);
    CHECK(failed->branch == branch->path && done->branch == branch->path && nap->branch == branch->path);
    CHECK(failed->path == done->path && failed->input_hash == done->input_hash && done->input_hash != 0);
    CHECK_INT(failed->began, done->began); /* of the first attempt, whichever attempt tells it */
    CHECK(failed->began > index_of(&j, branch) && failed->began <= index_of(&j, failed));
    CHECK(done->epoch == j.all[0].epoch && nap->epoch == j.all[0].epoch && done->epoch > 0);
    CHECK(root_step->input_hash != done->input_hash && tolerated->began == 1);

    /* The causes: what the group failed for, in start order, not what sw_try has dealt with. */
    uint64_t causes[2];
    CHECK_INT(ended->causes.len, sizeof causes);
    memcpy(causes, ended->causes.data, sizeof causes);
    CHECK(be64toh(causes[0]) == find(&j, ENTRY_STEP_FAILED, "broken")->path);
    CHECK(be64toh(causes[1]) == find(&j, ENTRY_STEP_FAILED, "beside")->path);
    free(j.data);
}

/* "METHOD STATUS ERROR" of each call of an entry, in one line, checked for what they have in common. */
static const char *calls_of(const entry *e, const char *port)
{
    static char line[8192];
    msgpack_unpacked u;
    size_t at = 0, len = 0;
    line[0] = 0;
    if (e->calls.len == 0) return line;
    msgpack_unpacked_init(&u);
    CHECK(e->calls.len <= ENTRY_CALLS_MAX && !memmem(e->calls.data, e->calls.len, "secret", 6));
    CHECK_INT(msgpack_unpack_next(&u, e->calls.data, e->calls.len, &at), MSGPACK_UNPACK_SUCCESS);
    CHECK(at == e->calls.len && u.data.type == MSGPACK_OBJECT_ARRAY);
    for (uint32_t i = 0; i < u.data.via.array.size; i++) {
        const msgpack_object *call = &u.data.via.array.ptr[i];
        if (call->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
            len += (size_t)snprintf(line + len, sizeof line - len, "and %d", (int)call->via.u64);
            continue;
        }
        if (call->type == MSGPACK_OBJECT_MAP) {
            len += (size_t)snprintf(line + len, sizeof line - len, "with an input");
            continue;
        }
        const msgpack_object *field = call->via.array.ptr;
        CHECK(call->type == MSGPACK_OBJECT_ARRAY && call->via.array.size == 6);
        CHECK(memmem(field[1].via.str.ptr, field[1].via.str.size, "127.0.0.1:", 10) == field[1].via.str.ptr);
        if (field[2].via.u64 > 0) CHECK(memcmp(field[1].via.str.ptr + 10, port, field[1].via.str.size - 10) == 0);
        CHECK(field[4].type == MSGPACK_OBJECT_POSITIVE_INTEGER);
        bool cut = field[3].via.str.size > 0;
        CHECK(cut ? field[5].via.u64 < STREAM_BYTES : field[5].via.u64 > 0);
        len += (size_t)snprintf(line + len, sizeof line - len, "%.*s %d %.*s;", (int)field[0].via.str.size,
                                field[0].via.str.ptr, (int)field[2].via.u64, (int)field[3].via.str.size,
                                field[3].via.str.ptr);
    }
    msgpack_unpacked_destroy(&u);
    return line;
}

/* Each attempt tells its own calls, how they ended, and nothing that could be a secret; steps without calls pay
 * nothing.
 */
static void entries_tell_their_calls(void)
{
    static journal j;
    char data[128], id[64], path[128];
    start("calls", data);
    const char *port = strrchr(server.address, ':') + 1;
    snprintf(path, sizeof path, "/calls?port=%s", port);
    get(path, NULL);
    if (a.status != 204) printf("# %s\n", a.body);
    CHECK_INT(a.status, 204);
    answer_header(&a, "X-Run-Id", id, sizeof id);
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    get(path, NULL);
    CHECK(strstr(a.body, "\"calls\":[{\"method\":\"GET\",\"host\":\"127.0.0.1:1\",\"error\":\"connect\",\"ms\":"));
    CHECK(strstr(a.body, ",\"status\":203,\"ms\":") && strstr(a.body, ",\"status\":200,\"error\":\"cut\",\"ms\":"));
    CHECK(strstr(a.body, ",\"bytes\":5}") && strstr(a.body, "],\"callsLeftOut\":") && !strstr(a.body, "secret"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    read_run(data, id, &j);

    CHECK_STR(calls_of(find(&j, ENTRY_STEP_FAILED, "twice"), port), "GET 0 connect;with an input");
    CHECK_STR(calls_of(find(&j, ENTRY_STEP_DONE, "twice"), port), "GET 203 ;GET 200 cut;POST 405 ;");
    CHECK_STR(calls_of(find(&j, ENTRY_STEP_FAILED, "silence"), port), "GET 0 cut;with an input");
    CHECK_STR(calls_of(find(&j, ENTRY_STEP_FAILED, "none"), port), "with an input");
    CHECK(find(&j, ENTRY_STEP_DONE, "none")->calls.len == 0);
    const entry *many = find(&j, ENTRY_STEP_DONE, "many");
    const char *line = calls_of(many, port), *rest = strstr(line, "and ");
    CHECK(rest && many->calls.len > ENTRY_CALLS_MAX - 64);
    int kept = (int)((size_t)(rest - line) / strlen("GET 203 ;"));
    CHECK_INT(kept + atoi(rest + 4), CALLS_MANY);
    free(j.data);
}

/* An input that is too long for the journal is told by its length. */
static void long_inputs_are_told(void)
{
    static journal j;
    char data[128], id[64], path[128];
    start("inputs", data);
    get("/inputs", NULL);
    CHECK_INT(a.status, 204);
    answer_header(&a, "X-Run-Id", id, sizeof id);
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    get(path, NULL);
    const char *entries = strstr(a.body, "\"entries\":"); /* its steps tell the same before */
    const char *told = entries ? strstr(entries, "\"inputLeftOut\":16385,") : NULL;
    CHECK(told && !strstr(told + 1, "\"inputLeftOut\"") && strstr(entries, "\"input\":\"xxx"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    read_run(data, id, &j);
    const entry *fits = find(&j, ENTRY_STEP_DONE, "fits"), *left_out = find(&j, ENTRY_STEP_DONE, "too long");
    CHECK(fits->input.len == 16384 && fits->input_bytes == 0);
    CHECK(left_out->input.len == 0 && left_out->input_bytes == 16385 && left_out->input_hash != 0);
    CHECK_INT(find(&j, ENTRY_STEP_DONE, "nothing")->input_bytes, 0);
    free(j.data);
}

/* Until the page of the run, which is made of its journal on disk, says this. */
static void await_page(const char *id, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    for (get(path, NULL); !strstr(a.body, text); get(path, NULL)) usleep(2000);
}

/* What the code changed under an unfinished run: results are used as before, and that is said once. */
static void another_input_is_reported(void)
{
    static journal j;
    static char said[65536];
    const char *const ahead[] = {"Prefer: respond-async", NULL};
    char data[128], id[64], output[1024];
    seen->hold = 1;
    seen->version = 1;
    start("each", data);
    get("/each", ahead);
    CHECK_INT(a.status, 202);
    answer_header(&a, "X-Run-Id", id, sizeof id);
    snprintf(output, sizeof output, "%s", strstr(answer_header(&a, "Location", said, sizeof said), "/_sw/"));
    while (__atomic_load_n(&seen->begun, __ATOMIC_SEQ_CST) < 1) usleep(1000);
    await_page(id, "\"stepsDone\":2");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);

    __atomic_store_n(&seen->version, 2, __ATOMIC_SEQ_CST);
    for (unsigned start_number = 0; start_number < 2; start_number++) {
        start("each", data);
        unsigned begun = 2 + start_number;
        while (__atomic_load_n(&seen->begun, __ATOMIC_SEQ_CST) < begun) usleep(1000);
        await_page(id, "\"inputsDiffered\":2"); /* as the next process is to find it */
        get("/_sw/metrics", NULL);
        CHECK(strstr(a.body, start_number == 0 ? "\nstepwell_inputs_differed_total 2\n"
                                               : "\nstepwell_inputs_differed_total 0\n"));
        if (start_number == 0) CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    }
    await_page(id, "\"inputsDiffered\":2");
    __atomic_store_n(&seen->hold, 0, __ATOMIC_SEQ_CST);
    get(output, NULL);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "[10,20,20]"); /* the third was new to the journal: it ran, with the input 2 */
    CHECK_INT(seen->attempts[3], 0);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    read_run(data, id, &j);
    size_t reports = 0;
    for (size_t i = 0; i < j.count; i++) reports += j.all[i].kind == ENTRY_DIFFERS;
    CHECK_INT(reports, 2);
    free(j.data);
}

static const check_case cases[] = {{"entries know their place", entries_know_their_place},
                                   {"entries tell their calls", entries_tell_their_calls},
                                   {"long inputs are told", long_inputs_are_told},
                                   {"another input is reported", another_input_is_reported}};

SERVED_MAIN_NOTES(serve, seen, cases)
