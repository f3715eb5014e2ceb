/* Signals to runs, turn by turn: kept, woken by, taken in order and once, whatever the run does at that moment: at
 * work, parked, stopped, being loaded, about to end, ended; in this process or the next. */
#include "runtime/run/mailbox.h"

#include "runtime/run/ctx.h"
#include "runtime/run/slot_core.h"
#include "tests/harness/turned.h"

enum { NAMES_MAX = 8, VALUES_TEXT = 256 };

typedef struct notes {
    unsigned executions, attempts, looks;
    char got[VALUES_TEXT]; /* "a1 a2 -": names and values of what waits have got, "-": a timeout */
    bool go;               /* the attempt under way may end */
    bool waited_long;      /* the journal shows a wait for which clients were sent on */
} notes;
static notes seen;
static char text[TURNED_TEXT];

/* ---- The program ---- */

static sw_value hold(sw_ctx *c, sw_value v)
{
    seen.attempts++;
    while (!seen.go) sw_sleep(c, "poll", 1);
    return v;
}

static void note(const char *name, bool has_come, sw_value v)
{
    size_t len = strlen(seen.got);
    if (has_come)
        snprintf(seen.got + len, sizeof seen.got - len, "%s%s%d", len ? " " : "", name, (int)sw_as_int(v, 0));
    else
        snprintf(seen.got + len, sizeof seen.got - len, "%s-", len ? " " : "");
}

static void await_signal(sw_ctx *c, const char *name, int64_t timeout_ms)
{
    sw_value v = sw_nil();
    bool has_come = sw_wait_for(c, "wait", &(sw_wait){.signal = name, .timeout_ms = timeout_ms}, &v);
    note(name, has_come, v);
}

/* Waits for "a" as often as it says. */
static void on_wait(sw_ctx *c)
{
    seen.executions++;
    seen.got[0] = 0;
    for (int i = 0; i < 3; i++) await_signal(c, "a", 0);
    sw_reply_text(c, 200, "%s", seen.got);
}

/* Naps before each wait, which costs another load. */
static void on_nap(sw_ctx *c)
{
    seen.executions++;
    for (int i = 0; i < 3; i++) {
        sw_sleep(c, "nap", 0);
        await_signal(c, "a", 0);
    }
    sw_reply_text(c, 200, "rested");
}

/* Waits for two signals behind a step, and for a third one that it need not have. */
static void on_two(sw_ctx *c)
{
    seen.executions++;
    seen.got[0] = 0;
    (void)sw_step(c, "hold", hold, sw_nil());
    await_signal(c, "a", 0);
    await_signal(c, "b", 0);
    await_signal(c, "z", 60000);
    seen.waited_long = c->run->waited_long_before;
    sw_reply_text(c, 200, "%s", seen.got);
}

static int64_t rest_ms;

/* Sleeps, and waits then. */
static void on_rest(sw_ctx *c)
{
    seen.executions++;
    sw_sleep(c, "rest", rest_ms);
    await_signal(c, "a", 0);
    sw_reply_text(c, 200, "rested");
}

/* Looks once, behind a step. */
static void on_look(sw_ctx *c)
{
    seen.executions++;
    seen.got[0] = 0;
    (void)sw_step(c, "hold", hold, sw_nil());
    seen.looks++;
    await_signal(c, "a", SW_NO_WAIT);
    sw_reply_text(c, 200, "%s", seen.got);
}

static sw_value branch(sw_ctx *c, sw_value input)
{
    await_signal(c, sw_cstr(c, input), 0);
    return sw_nil();
}

/* Waits for many names at once. */
static void on_many(sw_ctx *c)
{
    static const char *const names[] = {"a", "b", "c", "d", "a"};
    sw_group *g = sw_group_new(c);
    seen.executions++;
    seen.got[0] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        sw_group_branch(g, sw_printf(c, "branch %zu", i), branch, sw_str(c, names[i]));
    (void)sw_group_wait(g);
    sw_reply_text(c, 200, "all");
}

/* Ends at once, and waits for nothing. */
static void on_end(sw_ctx *c)
{
    seen.executions++;
    (void)sw_step(c, "hold", hold, sw_nil());
    sw_reply_text(c, 200, "over");
}

static void routes(sw_app *app)
{
    seen = (notes){.go = false};
    sw_endpoint(app, "POST /wait", on_wait, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    sw_endpoint(app, "POST /two", on_two, NULL);
    sw_endpoint(app, "POST /rest", on_rest, NULL);
    sw_endpoint(app, "POST /look", on_look, NULL);
    sw_endpoint(app, "POST /many", on_many, NULL);
    sw_endpoint(app, "POST /end", on_end, NULL);
    sw_endpoint(app, "POST /hasty", on_wait, &(sw_endpoint_options){.durability = SW_RELAXED});
    sw_route(app, "POST /plain", on_wait);
}

/* ---- Asking ---- */

static bool is_parked(const run_id *id)
{
    const slot *s = turned_slot(id);
    return s && s->state == SLOT_PARKED;
}

static int signal_told(const run_id *id, const char *name, const char *key, const char *body)
{
    return turned_reply(turned_send_signal(id, name, key, body), text);
}

/* Of all runs. */
static long letters_on_disk(void) { return turned_rows("inbox"); }

static run_id begin_held(const char *route)
{
    unsigned before = seen.attempts;
    run_id id = turned_begin(route)->id;
    TURN_UNTIL(seen.attempts > before && turned_slot(&id));
    return id;
}

static void check_journal(const run_id *id, const char *expected)
{
    turned_journal j;
    turned_load(id, &j);
    if (strcmp(j.text, expected) != 0) printf("# %s\n", j.text);
    CHECK_STR(j.text, expected);
}

static void restart(void)
{
    turned_end();
    turned_open(routes, NULL);
}

/* ---- Parked runs ---- */

/* It leaves memory at once, has no timer, and is loaded for the name that it waits for alone. */
static void test_parked(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /wait");
    CHECK(!timer_is_started(&turned_slot(&id)->due));
    CHECK_INT(signal_told(&id, "b", NULL, "7"), 202);
    turned_often();
    CHECK(is_parked(&id));
    CHECK_INT(seen.executions, 1);
    CHECK_INT(letters_on_disk(), 1);
    CHECK_INT(signal_told(&id, "a", NULL, "1"), 202);
    TURN_UNTIL(seen.executions == 2 && is_parked(&id));
    CHECK_STR(seen.got, "a1");
    CHECK_INT(letters_on_disk(), 1); /* that of the other name is kept */
    CHECK_INT(signal_told(&id, "a", NULL, "2"), 202);
    CHECK_INT(signal_told(&id, "a", NULL, "3"), 202);
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "a1 a2 a3");
    TURN_UNTIL(turned_home()->mailboxes.count == 0 && turned_home()->outbox.in_flight == 0);
    CHECK_INT(letters_on_disk(), 0); /* of a run that has ended none is */
    check_journal(&id, "started; wait wait; signal; taken wait; wait wait; signal; taken wait; wait wait; signal; "
                       "taken wait; response; ended");
    turned_close();
}

/* Several branches wait for several names, and two of them for one. */
static void test_many_names(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /many");
    CHECK_INT(signal_told(&id, "e", NULL, "9"), 202);
    turned_often();
    CHECK_INT(seen.executions, 1);
    static const char *const names[] = {"d", "a", "c", "b"};
    for (unsigned i = 0; i < 4; i++) {
        CHECK_INT(signal_told(&id, names[i], NULL, "1"), 202);
        TURN_UNTIL(seen.executions == i + 2 && is_parked(&id));
    }
    CHECK_INT(signal_told(&id, "b", NULL, "2"), 202); /* it waits for this no longer */
    turned_often();
    CHECK_INT(seen.executions, 5);
    CHECK_INT(signal_told(&id, "a", NULL, "2"), 202);
    TURN_UNTIL(!turned_slot(&id));
    turned_close();
}

/* Turns until the run has parked again; returns how many reads of the disk that took. */
static unsigned reads_until_parked(const run_id *id, unsigned executions)
{
    unsigned reads = 0;
    while (seen.executions < executions || !is_parked(id)) {
        for (; store_hand_reads(turned_app->store) > 0; reads++) store_hand_read(turned_app->store, 0);
        CHECK(turned_turn_unread());
    }
    return reads;
}

/* A signal that wakes its run is in memory until the run has it: the journal alone is read. With others beside it the
 * inbox is read too; and for a run that is cancelled before it looks nothing is kept. */
static void test_kept_in_memory(void)
{
    for (unsigned others = 0; others < 2; others++) {
        turned_open(routes, NULL);
        const size_t *kept = &turned_home()->mailboxes.kept_bytes;
        run_id id = turned_park("POST /wait");
        if (others) CHECK_INT(signal_told(&id, "b", NULL, "1"), 202);
        turned_often();
        int fd = turned_send_signal(&id, "a", NULL, "1");
        CHECK_INT(reads_until_parked(&id, 2), 1 + others);
        CHECK_INT(turned_reply(fd, text), 202);
        CHECK_STR(seen.got, "a1");
        CHECK_INT(*kept, 0);
        fd = turned_send_signal(&id, "a", NULL, "2");
        while (turned_slot(&id)->state == SLOT_PARKED) CHECK(turned_turn_unread());
        CHECK_INT(*kept > 0, !others);
        CHECK_INT(turned_reply(turned_send_to("DELETE", &id, ""), text), 200);
        CHECK_INT(turned_reply(fd, text), 202);
        TURN_UNTIL(!turned_slot(&id) && turned_home()->mailboxes.count == 0);
        CHECK_INT(*kept, 0);
        turned_close();
    }
}

static void on_due(void *arg, store_journal *loaded, size_t count)
{
    CHECK(count == 1 && loaded->live);
    *(int64_t *)arg = loaded->due_ms;
}

/* A run that parks when it has read its letters, of which none is for it, has a row that says so. */
static void test_other_letters(void)
{
    bool was_parked = false;
    for (rest_ms = 50; !was_parked; rest_ms *= 2) { /* long enough for a letter to come meanwhile */
        int64_t due_ms = 0;
        turned_open(routes, (const char *const[]){"--park-after", "0", NULL});
        run_id id = turned_park("POST /rest");
        CHECK_INT(signal_told(&id, "b", NULL, "1"), 202);
        was_parked = seen.executions == 1 && is_parked(&id);
        TURN_UNTIL(seen.executions == 2 && is_parked(&id));
        CHECK(store_load(turned_home()->port, &id, 1, on_due, &due_ms));
        TURN_UNTIL(due_ms != 0);
        CHECK(due_ms == STORE_DUE_NEVER);
        turned_close();
    }
}

/* ---- Runs at work ---- */

/* Kept until the wait comes, the first one first; what is not on disk yet is waited for, also by one that only looks.
 */
static void test_early(void)
{
    for (int in_flight = 0; in_flight < 2; in_flight++) {
        turned_open(routes, NULL);
        run_id id = begin_held("POST /look");
        TURN_UNTIL(turned_home()->outbox.in_flight == 0);
        turned_writes = !in_flight;
        int first = turned_send_signal(&id, "a", NULL, "1");
        TURN_UNTIL(turned_home()->mailboxes.count == 1);
        seen.go = true;
        TURN_UNTIL(seen.looks == 1);
        turned_often();
        CHECK_STR(seen.got, in_flight ? "" : "a1");
        turned_writes = true;
        CHECK_INT(turned_reply(first, text), 202);
        TURN_UNTIL(!turned_slot(&id));
        CHECK_STR(seen.got, "a1");
        CHECK_INT(letters_on_disk(), 0);
        turned_close();
    }
}

/* Nothing has come: it looks, and goes on. */
static void test_none(void)
{
    turned_open(routes, NULL);
    run_id id = begin_held("POST /look");
    seen.go = true;
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "-");
    check_journal(&id, "started; step done hold; wait wait; timed out wait; response; ended");
    turned_close();
}

/* What comes in the turns in which it leaves memory wakes it. */
static void test_leaving(void)
{
    turned_open(routes, NULL);
    turned_writes = true;
    run *r = turned_begin("POST /wait");
    run_id id = r->id;
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->run && turned_slot(&id)->run->state != RUN_NEW);
    int fd = turned_send_signal(&id, "a", NULL, "1");
    CHECK_INT(turned_reply(fd, text), 202);
    TURN_UNTIL(is_parked(&id) && strcmp(seen.got, "a1") == 0);
    CHECK_INT(letters_on_disk(), 0);
    turned_close();
}

/* ---- Sent twice ---- */

/* One key is one signal: while it is on its way, while it is kept, and when it was taken. */
static void test_twice(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /wait");
    turned_writes = false;
    int first = turned_send_signal(&id, "a", "k1", "1"), second = turned_send_signal(&id, "a", "k1", "1");
    for (int i = 0; i < 20; i++) CHECK(turned_turn_unread());
    turned_writes = true;
    CHECK_INT(turned_reply(first, text), 202);
    CHECK_INT(turned_reply(second, text), 202);
    TURN_UNTIL(is_parked(&id) && strcmp(seen.got, "a1") == 0);
    CHECK_INT(signal_told(&id, "a", "k1", "1"), 202); /* it was taken before: the run looks, and waits on */
    turned_often();
    TURN_UNTIL(is_parked(&id));
    CHECK_STR(seen.got, "a1");
    CHECK_INT(signal_told(&id, "b", "k1", "1"), 202); /* another name is another signal */
    CHECK_INT(signal_told(&id, "a", "k2", "2"), 202);
    CHECK_INT(signal_told(&id, "a", "\"k2\"", "2"), 202); /* the same key, in quotes */
    CHECK_INT(signal_told(&id, "a", NULL, "3"), 202);
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "a1 a2 a3");
    turned_close();
}

/* A run in memory knows, and says so. */
static void test_known_key(void)
{
    turned_open(routes, NULL);
    run_id id = begin_held("POST /look");
    CHECK_INT(signal_told(&id, "a", "k", "1"), 202);
    CHECK(!strstr(text, "Idempotency-Replayed"));
    CHECK_INT(signal_told(&id, "a", "k", "1"), 202);
    CHECK(strstr(text, "Idempotency-Replayed: true"));
    CHECK_INT(letters_on_disk(), 1);
    seen.go = true;
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "a1");
    turned_close();
}

/* ---- The end ---- */

static void test_ended(void)
{
    turned_open(routes, NULL);
    run_id id = begin_held("POST /end");
    CHECK_INT(signal_told(&id, "a", NULL, "1"), 202); /* nobody will take it */
    seen.go = true;
    TURN_UNTIL(!turned_slot(&id));
    CHECK_INT(letters_on_disk(), 0);
    CHECK_INT(signal_told(&id, "a", NULL, "2"), 409);
    CHECK(strstr(text, "the run has ended"));
    run_id other = id;
    other.bytes[3] ^= 1;
    CHECK_INT(signal_told(&other, "a", NULL, "2"), 404);
    CHECK_INT(letters_on_disk(), 0);
    turned_close();
}

/* It ends in the commit that has the letter, or before. */
static void test_ended_meanwhile(void)
{
    turned_open(routes, NULL);
    run_id id = begin_held("POST /end");
    TURN_UNTIL(turned_home()->outbox.in_flight == 0);
    turned_writes = false;
    int fd = turned_send_signal(&id, "a", NULL, "1");
    TURN_UNTIL(turned_home()->mailboxes.count == 1);
    seen.go = true;
    TURN_UNTIL(turned_slot(&id)->run->state == RUN_ENDING);
    turned_writes = true;
    int status = turned_reply(fd, text);
    CHECK(status == 202 || status == 409); /* it was kept, or came too late */
    TURN_UNTIL(!turned_slot(&id) && turned_home()->outbox.in_flight == 0);
    CHECK_INT(letters_on_disk(), 0);
    CHECK_INT(turned_home()->mailboxes.count, 0);
    turned_close();
}

/* A cancelled run outside memory has not read its letters: they are deleted all the same, however many. */
static void test_cancelled(void)
{
    enum { MANY = 70 };
    turned_open(routes, NULL);
    run_id id = turned_park("POST /wait");
    for (int i = 0; i < MANY; i++) CHECK_INT(signal_told(&id, "b", NULL, "1"), 202);
    CHECK_INT(letters_on_disk(), MANY);
    CHECK_INT(turned_reply(turned_send_to("DELETE", &id, ""), text), 200);
    int status;
    while ((status = turned_reply(turned_ask_run("POST", &id, "/resume", ""), text)) == 503)
        CHECK(strstr(text, "signals that the run has not taken are being deleted"));
    CHECK_INT(status, 202);
    CHECK_INT(letters_on_disk(), 0); /* the run that goes on gets none of before its end */
    TURN_UNTIL(is_parked(&id) && turned_home()->outbox.in_flight == 0);
    CHECK_INT(turned_home()->mailboxes.count, 0);
    turned_close();
}

/* ---- Runs that are being read, or resumed ---- */

/* Its journal is being read for the first signal when the second comes to the disk. */
static void test_loading(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /wait");
    int first = turned_send_signal(&id, "a", NULL, "1");
    while (!slot_is_loading(turned_slot(&id))) CHECK(turned_turn_unread());
    int second = turned_send_signal(&id, "a", NULL, "2");
    for (int i = 0; i < 20; i++) CHECK(turned_turn_unread());
    CHECK(slot_is_loading(turned_slot(&id)));
    CHECK_INT(turned_reply(first, text), 202);
    CHECK_INT(turned_reply(second, text), 202);
    TURN_UNTIL(is_parked(&id) && turned_home()->outbox.in_flight == 0);
    CHECK_STR(seen.got, "a1 a2");
    CHECK_INT(letters_on_disk(), 0);
    turned_close();
}

/* As long as the entry by which it goes on is not on disk it has ended; then it takes signals, though it is still to be
 * read. */
static void test_reopening(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /wait");
    CHECK_INT(turned_reply(turned_send_to("DELETE", &id, ""), text), 200);
    TURN_UNTIL(!turned_slot(&id));
    turned_writes = false;
    int resume = turned_ask_run("POST", &id, "/resume", "");
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_REOPENING);
    int signal = turned_send_signal(&id, "a", NULL, "1");
    turned_often();
    turned_writes = true;
    CHECK_INT(turned_reply(resume, text), 202);
    CHECK_INT(turned_reply(signal, text), 409);
    CHECK_INT(signal_told(&id, "a", NULL, "2"), 202);
    TURN_UNTIL(is_parked(&id) && turned_home()->outbox.in_flight == 0);
    CHECK_STR(seen.got, "a2");
    CHECK_INT(letters_on_disk(), 0);
    turned_close();
}

/* ---- Stopped runs ---- */

static void test_stopped(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /wait");
    CHECK_INT(turned_reply(turned_send_stop(&id, "wait"), text), 200);
    CHECK_INT(signal_told(&id, "a", NULL, "1"), 202);
    CHECK_INT(signal_told(&id, "a", NULL, "2"), 202);
    turned_often();
    CHECK_INT(seen.executions, 1);
    CHECK_INT(letters_on_disk(), 2);
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    TURN_UNTIL(is_parked(&id));
    CHECK_STR(seen.got, "a1 a2");
    turned_close();
}

/* ---- The next process ---- */

/* What was acknowledged is taken by it, though the run was not loaded for it any more. */
static void test_next_process(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /wait"), other = turned_park("POST /wait");
    turned_writes = false;
    int fd = turned_send_signal(&id, "a", NULL, "1");
    for (int i = 0; i < 20; i++) CHECK(turned_turn_unread());
    turned_drain(); /* nothing is loaded any more */
    turned_writes = true;
    CHECK_INT(turned_reply(fd, text), 202);
    while (turned_turn()) continue;
    by_hand_close(turned_app);
    turned_open(routes, NULL);
    TURN_UNTIL(turned_home()->slots.recovered && is_parked(&id));
    CHECK_STR(seen.got, "a1");
    CHECK_INT(seen.executions, 1); /* the other one is not loaded */
    CHECK(!timer_is_started(&turned_slot(&other)->due));
    CHECK_INT(signal_told(&other, "b", NULL, "1"), 202); /* for what it waits this process does not know: it looks */
    TURN_UNTIL(seen.executions == 2 && is_parked(&other));
    CHECK_INT(signal_told(&other, "b", NULL, "2"), 202);
    turned_often();
    CHECK_INT(seen.executions, 2);
    restart();
    TURN_UNTIL(turned_home()->slots.recovered && is_parked(&other) && seen.executions == 1);
    CHECK_STR(seen.got, ""); /* the run with letters was looked at, the other was not */
    CHECK_INT(letters_on_disk(), 2);
    turned_close();
}

/* A journal shows that clients were sent on by a wait that was not decided at once, however soon it was decided then.
 */
static void test_sent_on(void)
{
    static const char *const flags[] = {"--redirect-after", "1h", NULL};
    static const struct {
        const char *early, *late; /* names of signals: sent before any wait, or when it is waited for */
    } rows[] = {{"ab", ""}, {"a", "b"}, {"b", "a"}, {"", "ab"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[] = "?";
        turned_open(routes, flags);
        run_id id = begin_held("POST /two");
        for (const char *at = rows[i].early; (name[0] = *at) != 0; at++)
            CHECK_INT(signal_told(&id, name, NULL, "1"), 202);
        seen.go = true;
        for (const char *at = rows[i].late; (name[0] = *at) != 0; at++) {
            TURN_UNTIL(is_parked(&id));
            CHECK_INT(signal_told(&id, name, NULL, "1"), 202);
        }
        TURN_UNTIL(strcmp(seen.got, "a1 b1") == 0);
        turned_often();
        turned_end();
        turned_open(routes, flags);
        TURN_UNTIL(turned_home()->slots.recovered);
        CHECK_INT(signal_told(&id, "z", NULL, "1"), 202);
        TURN_UNTIL(!turned_slot(&id));
        CHECK_STR(seen.got, "a1 b1 z1");
        CHECK_INT(seen.waited_long, rows[i].late[0] != 0);
        turned_close();
    }
}

/* ---- Limits ---- */

static void test_limits(void)
{
    static const char *const flags[] = {"--signals-max", "3", "--signals-bytes-max", "1024", "--signal-max",
                                        "700",           NULL};
    char large[702];
    turned_open(routes, flags);
    run_id id = turned_park("POST /wait");
    memset(large, '1', sizeof large);
    large[0] = large[700] = '"';
    large[701] = 0;
    CHECK_INT(signal_told(&id, "b", NULL, large), 413);
    CHECK(strstr(text, "--signal-max"));
    large[699] = '"';
    large[700] = 0;
    CHECK_INT(signal_told(&id, "b", NULL, large), 202);
    CHECK_INT(signal_told(&id, "b", NULL, large), 429);
    CHECK(strstr(text, "--signals-bytes-max"));
    CHECK_INT(signal_told(&id, "b", NULL, "1"), 202);
    CHECK_INT(signal_told(&id, "b", NULL, ""), 202);
    CHECK_INT(signal_told(&id, "b", NULL, "1"), 429);
    CHECK(strstr(text, "--signals-max"));
    CHECK_INT(letters_on_disk(), 3);
    restart(); /* counted anew */
    TURN_UNTIL(turned_home()->slots.recovered && is_parked(&id));
    CHECK_INT(mailbox_count(turned_home(), &id), 3);
    turned_close();
}

/* A signal of `bytes`, as a string. */
static int send_large(const run_id *id, size_t bytes)
{
    char *body = malloc(bytes + 1), *request = malloc(bytes + 512), of[RUN_ID_TEXT + 1];
    CHECK(body && request && bytes > 2);
    memset(body, '"', bytes);
    memset(body + 1, 'v', bytes - 2);
    body[bytes] = 0;
    run_id_format(id, of);
    int len = sprintf(request,
                      "POST /_sw/runs/%s/signals/b HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: "
                      "%zu\r\nAuthorization: Bearer " TURNED_ADMIN "\r\n\r\n%s",
                      of, bytes, body);
    int fd = turned_connect();
    CHECK_INT(write(fd, request, (size_t)len), len);
    free(request);
    free(body);
    return fd;
}

/* What is on its way to a slow disk counts: above --journal-queue-max no signal is taken, and none is lost. */
static void test_full_queue(void)
{
    enum { BYTES = 16 << 10, MANY = (1 << 20) / BYTES };
    int fds[MANY], kept = 0;
    turned_open(routes, (const char *const[]){"--journal-queue-max", "1MiB", "--signals-bytes-max", "64MiB", NULL});
    run_id id = turned_park("POST /wait");
    turned_writes = false;
    for (int i = 0; i < MANY; i++) fds[i] = send_large(&id, BYTES);
    while (!gate_full(turned_home())) CHECK(turned_turn());
    CHECK_INT(signal_told(&id, "a", NULL, "1"), 503);
    CHECK(strstr(text, "--journal-queue-max"));
    turned_writes = true;
    for (int i = 0; i < MANY; i++) {
        int status = turned_reply(fds[i], text);
        CHECK(status == 202 || status == 503); /* it came before the queue was full, or after */
        kept += status == 202;
    }
    CHECK_INT(letters_on_disk(), kept);
    CHECK_INT(signal_told(&id, "a", NULL, "1"), 202);
    turned_close();
}

/* --steps-max counts sleeps and waits, and those that the journal answers too: a run that is loaded anew for each one
 * has no more of them than another. */
static void test_steps_max(void)
{
    static const struct {
        const char *steps_max, *why;
    } rows[] = {{"4", "sleep \\\"nap\\\" is one more than the 4 steps"},
                {"5", "wait \\\"wait\\\" is one more than the 5 steps"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        turned_open(routes, (const char *const[]){"--steps-max", rows[i].steps_max, NULL});
        run_id id = turned_park("POST /nap");
        CHECK_INT(signal_told(&id, "a", NULL, "1"), 202);
        TURN_UNTIL(seen.executions == 2 && is_parked(&id));
        CHECK_INT(signal_told(&id, "a", NULL, "2"), 202);
        TURN_UNTIL(seen.executions == 3 && (!turned_slot(&id) || is_parked(&id)));
        CHECK(!turned_slot(&id));
        turned_check(turned_send_to("GET", &id, "/output"), 500, rows[i].why);
        turned_close();
    }
}

/* ---- Bad requests ---- */

static void test_refused(void)
{
    char name[200];
    turned_open(routes, NULL);
    run_id id = turned_park("POST /wait");
    memset(name, 'n', sizeof name);
    name[129] = 0;
    CHECK_INT(signal_told(&id, name, NULL, "1"), 400);
    name[128] = 0;
    CHECK_INT(signal_told(&id, name, NULL, "1"), 202);
    CHECK_INT(signal_told(&id, "a%0Ab", NULL, "1"), 400);
    CHECK_INT(signal_told(&id, "a%FF", NULL, "1"), 400);
    CHECK_INT(signal_told(&id, "a%7F", NULL, "1"), 400);
    CHECK_INT(signal_told(&id, "a%C2%85b", NULL, "1"), 400); /* U+0085, "next line" */
    CHECK_INT(signal_told(&id, "a%C2%A0b", NULL, "1"), 202);
    CHECK_INT(signal_told(&id, "a%2Fb", NULL, "1"), 202);
    CHECK_INT(signal_told(&id, "a", NULL, "{\"a\":"), 400);
    CHECK_INT(signal_told(&id, "a", NULL, "1 2"), 400);
    CHECK_INT(signal_told(&id, "a", "", "1"), 400);
    CHECK_INT(turned_reply(turned_send("POST", "/_sw/runs/nothing/signals/a", ""), text), 404);
    CHECK_INT(seen.executions, 1);
    turned_close();
}

/* A letter of a later version may have more items; one of another kind is none. */
static void test_more_items(void)
{
    static const struct {
        uint8_t array, kind;
        bool is_mail;
    } rows[] = {{0x95, 4, true},  {0x96, 4, true},  {0x9f, 4, true},
                {0x94, 4, false}, {0x95, 3, false}, {0xdc, 4, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t value[32] = {rows[i].array, 0xc4, ENTRY_LETTER_BYTES};
        const size_t kind_at = 3 + ENTRY_LETTER_BYTES;
        value[kind_at] = rows[i].kind;
        CHECK_INT(mail_is((store_bytes){value, sizeof value}), rows[i].is_mail);
        CHECK(!mail_is((store_bytes){value, kind_at}));
    }
}

static void test_wrong_places(void)
{
    turned_open(routes, NULL);
    CHECK_INT(turned_reply(turned_send("POST", "/hasty", ""), text), 500);
    CHECK(strstr(text, "use SW_SYNCED"));
    CHECK_INT(turned_reply(turned_send("POST", "/plain", ""), text), 500);
    turned_close();
}

/* ---- A disk that takes no writes ---- */

static void test_refused_write(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /wait");
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    CHECK_INT(signal_told(&id, "a", NULL, "1"), 503);
    TURN_UNTIL(gate_writable(turned_home()));
    turned_often();
    CHECK_INT(letters_on_disk(), 0);
    CHECK_INT(turned_home()->mailboxes.count, 0);
    CHECK_INT(signal_told(&id, "a", NULL, "2"), 202);
    TURN_UNTIL(is_parked(&id) && strcmp(seen.got, "a2") == 0);
    turned_close();
}

static const check_case cases[] = {{"parked, and woken by its name alone", test_parked},
                                   {"many names at once", test_many_names},
                                   {"parked with letters of another name", test_other_letters},
                                   {"what wakes a run is not read", test_kept_in_memory},
                                   {"early signals are kept", test_early},
                                   {"one that only looks finds none", test_none},
                                   {"a signal while the run leaves memory", test_leaving},
                                   {"sent twice, taken once", test_twice},
                                   {"a key that a run in memory knows", test_known_key},
                                   {"of a run that has ended nothing is left", test_ended},
                                   {"the run ends meanwhile", test_ended_meanwhile},
                                   {"a run is cancelled that has not read its letters", test_cancelled},
                                   {"while its journal is read", test_loading},
                                   {"while it is resumed", test_reopening},
                                   {"a stopped run keeps its letters", test_stopped},
                                   {"the next process", test_next_process},
                                   {"whether the next process knows who was sent on", test_sent_on},
                                   {"limits", test_limits},
                                   {"a full queue takes no signals", test_full_queue},
                                   {"waits and sleeps count as steps at every load", test_steps_max},
                                   {"what is no signal is refused", test_refused},
                                   {"letters with more items", test_more_items},
                                   {"where no run waits", test_wrong_places},
                                   {"a disk that takes no writes", test_refused_write}};
CHECK_MAIN(cases)
