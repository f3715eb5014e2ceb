/* A run begins without a request: what it reads, that it needs no client, how clients come afterwards, and what stands
 * in its way. The program is turned by hand, on a disk of memory. */
#include "tests/harness/clock_faults.h"
#include "tests/harness/turned.h"

typedef struct notes {
    unsigned calls, steps, ends;
    char method[16], path[64], param[64], query[64], kind[64], secret[64], body[64];
    bool hold;
} notes;

static notes seen;

/* ---- The program ---- */

static void copy(char to[64], const char *text) { (void)snprintf(to, 64, "%s", text ? text : "(none)"); }

static sw_value note_step(sw_ctx *c, sw_value v)
{
    (void)c;
    seen.steps++;
    return v;
}

static void on_order(sw_ctx *c)
{
    seen.calls++;
    (void)snprintf(seen.method, sizeof seen.method, "%s", sw_method(c));
    copy(seen.path, sw_path(c));
    copy(seen.param, sw_param(c, "id"));
    copy(seen.query, sw_query(c, "urgent"));
    copy(seen.kind, sw_header(c, "Content-Type"));
    copy(seen.secret, sw_header(c, "X-Secret"));
    (void)snprintf(seen.body, sizeof seen.body, "%.*s", (int)sw_body(c).len, sw_body(c).data);
    (void)sw_step(c, "note", note_step, sw_nil());
    while (seen.hold) sw_sleep(c, "held", 5);
    (void)sw_step(c, "note", note_step, sw_nil());
    seen.ends++;
    sw_reply_text(c, 201, "order %s", sw_param(c, "id") ? sw_param(c, "id") : "of nobody");
}

/* ---- Opening it ---- */

static void routes(sw_app *app)
{
    seen = (notes){.calls = 0};
    sw_endpoint(app, "POST /orders/:id", on_order, NULL);
}

static void open_program(const char *flag, const char *value)
{
    const char *const flags[] = {flag, value, NULL};
    turned_open(routes, flags);
}

/* ---- Beginning ---- */

static http_text text(const char *s) { return (http_text){s, strlen(s)}; }

static run *begin_under(run_key *key, const run_input *input, run_refusal *why)
{
    static const char route[] = "POST /orders/:id";
    const run_origin origin = {.key = key};
    return run_begin(turned_home(), app_endpoint(turned_app, route, sizeof route - 1), input, &origin, why);
}

static run *begin(const run_input *input, run_refusal *why) { return begin_under(NULL, input, why); }

static run_input an_order(void)
{
    static const http_header headers[] = {{{"content-type", 12}, {"text/x-order", 12}},
                                          {{"x-secret", 8}, {"none of the journal's", 21}}};
    static const http_param id = {"id", "7", 1};
    return (run_input){.method = text("POST"),
                       .target = text("/orders/7?urgent=very%20much"),
                       .headers = headers,
                       .header_count = 2,
                       .params = &id,
                       .param_count = 1,
                       .body = text("two pies")};
}

/* ---- Looking ---- */

static void on_journal(void *arg, store_journal *j, size_t count)
{
    int *ended = arg;
    CHECK_INT(count, 1);
    CHECK(!j->error);
    *ended = j->found && !j->live;
}

static bool has_ended(const run_id *id)
{
    int ended = -1;
    CHECK(store_load(turned_home()->port, id, 1, on_journal, &ended));
    while (ended < 0) CHECK(turned_turn());
    return ended;
}

/* ---- The cases ---- */

static void test_input(void)
{
    run_refusal why;
    open_program(NULL, NULL);
    const run_input order = an_order();
    const run *r = begin(&order, &why);
    CHECK(r);
    run_id id = r->id;
    CHECK_INT(seen.calls, 0); /* it is the home that calls handlers */
    while (!seen.ends) CHECK(turned_turn());
    CHECK_INT(seen.calls, 1);
    CHECK_INT(seen.steps, 2);
    CHECK_STR(seen.method, "POST");
    CHECK_STR(seen.path, "/orders/7");
    CHECK_STR(seen.param, "7");
    CHECK_STR(seen.query, "very much");
    CHECK_STR(seen.kind, "text/x-order");
    CHECK_STR(seen.secret, "(none)"); /* only what the journal has */
    CHECK_STR(seen.body, "two pies");
    while (!has_ended(&id)) continue;
    CHECK_INT(turned_home()->runs.count, 0);
    turned_close();
}

/* No method, no target, no headers: who begins it need not look like a request. */
static void test_empty(void)
{
    run_refusal why;
    open_program(NULL, NULL);
    const run *r = begin(&(run_input){.method = text(""), .target = text(""), .body = text("")}, &why);
    CHECK(r);
    run_id id = r->id;
    while (!seen.ends) CHECK(turned_turn());
    CHECK_STR(seen.method, "");
    CHECK_STR(seen.path, "");
    CHECK_STR(seen.param, "(none)");
    CHECK_STR(seen.body, "");
    while (!has_ended(&id)) continue;
    turned_close();
}

/* One client while it runs, one when it is over. */
static void test_clients(void)
{
    char reply[TURNED_TEXT];
    run_refusal why;
    open_program("--hold", "1h");
    seen.hold = true;
    const run_input order = an_order();
    const run *r = begin(&order, &why);
    CHECK(r);
    run_id id = r->id;
    while (seen.steps == 0) CHECK(turned_turn());
    int fd = turned_send_to("GET", &id, "/output");
    while (!r->waiters) CHECK(turned_turn());
    CHECK_INT(seen.ends, 0);
    seen.hold = false;
    turned_reply(fd, reply);
    CHECK(strstr(reply, "HTTP/1.1 201 Created\r\n") == reply);
    CHECK(strstr(reply, "\r\n\r\norder 7"));
    while (!has_ended(&id)) continue;
    turned_reply(turned_send_to("GET", &id, "/output"), reply);
    CHECK(strstr(reply, "HTTP/1.1 201 Created\r\n") == reply);
    CHECK(strstr(reply, "\r\n\r\norder 7"));
    CHECK_INT(seen.calls, 1);
    turned_close();
}

/* What is refused has not begun, and leaves nothing. */
static void test_refusals(void)
{
    run_refusal why = {NULL, NULL};
    open_program("--runs-max", "1");
    seen.hold = true;
    const run_input order = an_order();
    CHECK(begin(&order, &why));
    CHECK(!begin(&order, &why));
    CHECK_STR(why.text, "too many requests are in flight (--runs-max)");
    CHECK_STR(why.retry_after_s, "1");
    seen.hold = false;
    while (turned_home()->runs.count > 0) CHECK(turned_turn());
    memory_fail(turned_disk, MEMORY_REFUSES, 0, true);
    CHECK(begin(&order, &why));
    while (turned_home()->runs.count > 0) CHECK(turned_turn());
    CHECK(!begin(&order, &why));
    CHECK(strstr(why.text, "the journal cannot be written"));
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    const run *r = NULL;
    while (!(r = begin(&order, &why))) CHECK(turned_turn());
    run_id id = r->id;
    unsigned ends = seen.ends;
    while (seen.ends == ends || !has_ended(&id)) CHECK(turned_turn());
    CHECK_INT(turned_home()->counters.runs_started, 3);
    CHECK_INT(turned_home()->counters.requests_refused, 0); /* counted by whoever was refused */
    turned_close();
}

static unsigned settled;
static void on_settled(run_key *k)
{
    CHECK_INT(k->key.hash[0], 7);
    settled++;
}

static void on_key(void *arg, const store_key_row *row, const char *error)
{
    run_id *id = arg;
    CHECK(!error);
    memset(id, 0, sizeof *id);
    if (row) *id = row->run;
}

/* Until its first commit the run has the key, then the journal has; of one that is not journaled nobody has. */
static void test_key(void)
{
    run_refusal why;
    run_id found, none = {{0}};
    run_key key = {.key.hash = {7}, .on_settled = on_settled};
    open_program("--runs-max", "1");
    settled = 0;
    const run_input order = an_order();
    memory_fail(turned_disk, MEMORY_REFUSES, 0, true);
    CHECK(begin_under(&key, &order, &why));
    CHECK(!begin_under(&key, &order, &why));
    CHECK_INT(settled, 0); /* neither by the one that is refused */
    while (settled == 0) CHECK(turned_turn());
    while (turned_home()->runs.count > 0) CHECK(turned_turn());
    CHECK_INT(settled, 1);
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    const run *r = NULL;
    while (!(r = begin_under(&key, &order, &why))) CHECK(turned_turn());
    run_id id = r->id;
    CHECK_INT(settled, 1);
    while (settled == 1) CHECK(turned_turn());
    found = none;
    CHECK(store_find_key(turned_home()->port, key.key.hash, on_key, &found));
    while (run_id_equal(&found, &none)) CHECK(turned_turn());
    CHECK(run_id_equal(&found, &id));
    while (!has_ended(&id)) continue;
    CHECK_INT(settled, 2);
    turned_close();
}

/* An id begins with the time: those of runs that begin then do not ascend. */
static void test_set_back(void)
{
    enum { HOUR_MS = 3600000 };
    clocks_state state = {.set_ms = 0};
    const run_input order = an_order();
    run_refusal why;
    open_program(NULL, NULL);
    clocks = &state;
    TURN_UNTIL(turned_home()->slots.recovered);
    const run *first = begin(&order, &why);
    state.set_ms = -HOUR_MS;
    const run *second = begin(&order, &why), *third = begin(&order, &why);
    CHECK(first && second && third);
    CHECK(memcmp(first->id.bytes, third->id.bytes, RUN_ID_BYTES) > 0);
    CHECK(run_find_slotless(turned_home(), &first->id) == first);
    CHECK(run_find_slotless(turned_home(), &second->id) == second);
    CHECK(run_find_slotless(turned_home(), &third->id) == third);
    TURN_UNTIL(seen.ends == 3);
    turned_close();
    clocks = NULL;
}

static const check_case cases[] = {{"a run reads what it began with", test_input},
                                   {"a run begins with nothing", test_empty},
                                   {"clients come afterwards", test_clients},
                                   {"a run that cannot begin", test_refusals},
                                   {"a run begins under a key", test_key},
                                   {"each is found when the wall clock was set back between them", test_set_back}};
CHECK_MAIN(cases)
