/* Two nodes of a cluster on one memory: what is said at one node to a run of the other reaches it by the other's look
 * each second, once, whether it is early, late, sent twice, or its sender has lost the answer; and what only the run's
 * own node can do is refused. */
#include "runtime/run/mailbox_core.h"
#include "runtime/run/notice.h"
#include "tests/harness/pair.h"

enum { FIRST, SECOND };

typedef struct notes {
    unsigned executions[PAIR_NODES];
    unsigned ended[PAIR_NODES];
    char got[512]; /* what waits have taken, "-": a timeout */
    char url[512]; /* path of a question's URL */
    bool go;
} notes;
static notes seen;
static char target[RUN_ID_TEXT + 1]; /* of signals that runs send */
static char text[TURNED_TEXT];

/* ---- The program ---- */

static sw_value hold(sw_ctx *c, sw_value v)
{
    while (!seen.go) sw_sleep(c, "poll", 1);
    return v;
}

static void await(sw_ctx *c, const char *name, int64_t timeout_ms)
{
    sw_value v = sw_nil();
    bool has_come = sw_wait_for(c, "wait", &(sw_wait){.signal = name, .timeout_ms = timeout_ms}, &v);
    size_t len = strlen(seen.got);
    snprintf(seen.got + len, sizeof seen.got - len, "%s%s", len ? " " : "", has_come ? sw_cstr(c, v) : "-");
}

static void begin_execution(sw_ctx *c)
{
    run_id id;
    CHECK(run_id_parse(sw_run_id(c), RUN_ID_TEXT, &id));
    CHECK_INT(cluster_owner_of(&pair[0].of, &id), pair_at); /* nobody else executes it */
    seen.executions[pair_at]++;
    seen.got[0] = 0;
}

static void on_take(sw_ctx *c)
{
    begin_execution(c);
    await(c, "a", 0);
    seen.ended[pair_at]++;
    sw_reply_text(c, 200, "%s", seen.got);
}

/* Takes a signal that came while it did something else, then another one, then no third. */
static void on_two(sw_ctx *c)
{
    begin_execution(c);
    (void)sw_step(c, "hold", hold, sw_nil());
    await(c, "a", 0);
    await(c, "a", 0);
    await(c, "a", SW_NO_WAIT);
    seen.ended[pair_at]++;
    sw_reply_text(c, 200, "%s", seen.got);
}

/* Takes one signal that came while it did something else. */
static void on_once(sw_ctx *c)
{
    begin_execution(c);
    (void)sw_step(c, "hold", hold, sw_nil());
    await(c, "a", SW_NO_WAIT);
    seen.ended[pair_at]++;
}

/* Then waits for another one for ever. */
static void on_three(sw_ctx *c)
{
    begin_execution(c);
    for (int i = 0; i < 2; i++) await(c, "a", 0);
    await(c, "c", 0);
    seen.ended[pair_at]++;
}

static void on_soon(sw_ctx *c)
{
    begin_execution(c);
    await(c, "a", 60000);
    seen.ended[pair_at]++;
}

/* A signal or a sleep, whichever comes first. */
static void on_race(sw_ctx *c)
{
    sw_value v = sw_nil();
    begin_execution(c);
    sw_group *g = sw_group_new(c);
    sw_group_sleep(g, "nap", 60000);
    sw_group_wait_for(g, "wait", &(sw_wait){.signal = "a"});
    bool has_come = sw_group_any(g, "first", &v) == 1;
    snprintf(seen.got, sizeof seen.got, "%s", has_come ? sw_cstr(c, v) : "-");
    seen.ended[pair_at]++;
}

static void on_ask(sw_ctx *c)
{
    static const char *const choices[] = {"yes", "no", NULL};
    const sw_question q = {.text = "Go?", .choices = choices};
    begin_execution(c);
    snprintf(seen.url, sizeof seen.url, "%s", strchr(sw_signal_url(c, "ask", "approve", &q) + 7, '/'));
    await(c, "approve", 0);
    (void)sw_step(c, "hold", hold, sw_nil());
    seen.ended[pair_at]++;
    sw_reply_text(c, 200, "%s", seen.got);
}

static void on_send(sw_ctx *c)
{
    begin_execution(c);
    for (int i = 0; i < 2; i++) {
        bool is_sent = sw_send_signal(c, "tell", target, "a", sw_str(c, i == 0 ? "one" : "two"));
        snprintf(seen.url + i, 2, "%d", is_sent);
    }
    seen.ended[pair_at]++;
    sw_reply_text(c, 200, "sent");
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /take", on_take, NULL);
    sw_endpoint(app, "POST /two", on_two, NULL);
    sw_endpoint(app, "POST /once", on_once, NULL);
    sw_endpoint(app, "POST /three", on_three, NULL);
    sw_endpoint(app, "POST /soon", on_soon, NULL);
    sw_endpoint(app, "POST /race", on_race, NULL);
    sw_endpoint(app, "POST /ask", on_ask, NULL);
    sw_endpoint(app, "POST /send", on_send, NULL);
}

static void open_nodes(void)
{
    seen = (notes){.go = false};
    pair_open(routes, (const char *const[]){"--park-after", "0", NULL});
}

static run_id begin_parked(unsigned n, const char *route)
{
    run_id id = pair_begin(n, route);
    PAIR_UNTIL(pair_is_parked(n, &id));
    return id;
}

/* ---- Signals ---- */

static void check_signal(const run_id *id, const char *key, int status, const char *part)
{
    turned_check(turned_send_signal(id, "a", key, "\"x\""), status, part);
}

static void expect_nothing_left(void)
{
    pair_often();
    CHECK_INT(turned_rows(letter_table), 0);
    CHECK_INT(turned_rows(notice_table), 0);
}

/* At either node, to a run that waits outside memory; once it goes on it is known to have ended everywhere. */
static void test_signal(void)
{
    open_nodes();
    for (unsigned to = 0; to < PAIR_NODES; to++) {
        pair_use(1 - to);
        run_id id = begin_parked(to, "POST /take");
        CHECK_INT(seen.executions[to], 1);
        check_signal(&id, NULL, 202, "accepted");
        CHECK_INT(turned_rows(letter_table), 1);
        PAIR_UNTIL(seen.ended[to] == 1);
        CHECK_STR(seen.got, "x");
        CHECK_INT(seen.executions[1 - to], to == 0 ? 0 : 1);
        pair_often();
        check_signal(&id, NULL, 409, "has ended");
        seen.executions[to] = 1;
    }
    expect_nothing_left();
    pair_close();
}

/* Both nodes write at one moment, and neither over what the other has written. */
static void test_one_moment(void)
{
    open_nodes();
    for (int i = 0; i < 20; i++) {
        int fds[PAIR_NODES];
        seen.ended[SECOND] = 0;
        seen.go = true;
        const run_id id = begin_parked(SECOND, "POST /two");
        for (unsigned n = 0; n < PAIR_NODES; n++) {
            pair_use(n);
            fds[n] = turned_send_signal(&id, "a", NULL, n == FIRST ? "\"x\"" : "\"y\"");
        }
        for (unsigned n = 0; n < PAIR_NODES; n++) turned_check(fds[n], 202, "accepted");
        PAIR_UNTIL(seen.ended[SECOND] == 1);
        CHECK(strcmp(seen.got, "x y -") == 0 || strcmp(seen.got, "y x -") == 0);
    }
    expect_nothing_left();
    pair_close();
}

/* The run comes to memory by a signal of its own node, and reads and takes what the other has sent, in whichever turn
 * its node looks for that: nothing that has been taken is taken for unread. */
static void test_read_meanwhile(void)
{
    for (int turns = 0; turns < 24; turns++) {
        open_nodes();
        const run_id id = begin_parked(SECOND, "POST /three");
        pair_use(SECOND);
        turned_check(turned_send_signal(&id, "b", NULL, "1"), 202, "accepted");
        pair_use(FIRST);
        check_signal(&id, NULL, 202, "accepted");
        pair_use(SECOND);
        int fd = turned_send_signal(&id, "a", NULL, "\"y\"");
        for (int i = 0; i < turns; i++) CHECK(turned_turn());
        pair_pass(1000);
        turned_check(fd, 202, "accepted");
        PAIR_UNTIL(strcmp(seen.got, "x y") == 0 && pair_is_parked(SECOND, &id));
        pair_often();
        CHECK_INT(mailbox_count(turned_home(), &id), 1);
        CHECK_INT(turned_rows(letter_table), 1);
        CHECK_INT(turned_rows(notice_table), 0);
        pair_close();
    }
}

/* Not yet found when the wait's time is over, or that of a sleep beside it: what was on disk by then counts. */
static void in_time(const char *route, bool is_sent)
{
    open_nodes();
    const run_id id = begin_parked(SECOND, route);
    if (is_sent) check_signal(&id, NULL, 202, "accepted");
    CHECK_INT(seen.ended[SECOND], 0);
    pair_pass(60000);
    PAIR_UNTIL(seen.ended[SECOND] == 1);
    CHECK_STR(seen.got, is_sent ? "x" : "-");
    expect_nothing_left();
    pair_close();
}

static void test_in_time(void)
{
    in_time("POST /soon", true);
    in_time("POST /soon", false);
    in_time("POST /race", true);
    in_time("POST /race", false);
}

/* A signal of another name lies there, and wakes nobody. */
static void test_other_name(void)
{
    open_nodes();
    run_id id = begin_parked(SECOND, "POST /take");
    turned_check(turned_send_signal(&id, "b", NULL, "1"), 202, "accepted");
    pair_often();
    CHECK_INT(turned_rows(notice_table), 0);
    CHECK_INT(turned_rows(letter_table), 1);
    CHECK(pair_is_parked(SECOND, &id) && seen.executions[SECOND] == 1);
    check_signal(&id, NULL, 202, "accepted");
    PAIR_UNTIL(seen.ended[SECOND] == 1);
    expect_nothing_left(); /* what the run has not taken goes with it */
    pair_close();
}

/* Before the run waits, in memory; twice with one key; again by a sender that has not heard of it. */
static void test_early_and_twice(void)
{
    open_nodes();
    run_id id = pair_begin(SECOND, "POST /two");
    PAIR_UNTIL(pair_slot(SECOND, &id));
    turned_check(turned_send_signal(&id, "a", "k1", "\"first\""), 202, "accepted");
    turned_check(turned_send_signal(&id, "a", "k1", "\"first\""), 202, "Idempotency-Replayed");
    close(turned_send_signal(&id, "a", "k2", "\"second\"")); /* the answer is lost */
    pair_often();
    turned_check(turned_send_signal(&id, "a", "k2", "\"second\""), 202, "accepted");
    CHECK_INT(seen.ended[SECOND], 0);
    seen.go = true;
    PAIR_UNTIL(seen.ended[SECOND] == 1);
    CHECK_STR(seen.got, "first second -");
    expect_nothing_left();
    pair_close();
}

/* The run has taken the signal when it is sent again; and one letter that has just been written is found twice, since
 * the node that has taken it could not delete its notice. */
static void test_sent_again_when_taken(void)
{
    open_nodes();
    seen.go = true;
    run_id id = begin_parked(SECOND, "POST /two");
    check_signal(&id, "k1", 202, "accepted");
    PAIR_UNTIL(strcmp(seen.got, "x") == 0 && pair_is_parked(SECOND, &id));
    check_signal(&id, "k1", 202, "accepted");
    pair_often();
    CHECK(seen.ended[SECOND] == 0 && strcmp(seen.got, "x") == 0);
    turned_check(turned_send_signal(&id, "a", NULL, "\"y\""), 202, "accepted");
    PAIR_UNTIL(seen.ended[SECOND] == 1);
    CHECK_STR(seen.got, "x y -");
    expect_nothing_left();
    pair_close();
}

static void test_refused(void)
{
    open_nodes();
    run_id none = {.bytes = {0, 0, 0, 1}}, id = begin_parked(SECOND, "POST /take");
    run_id_set_cluster_slot(&none, 255);
    check_signal(&none, NULL, 404, "no such run");
    turned_check(turned_ask_run("POST", &id, "/signals/b", "{"), 400, "");
    pair_close();
    pair_open(routes,
              (const char *const[]){"--park-after", "0", "--signals-max", "2", "--signals-bytes-max", "1024", NULL});
    id = begin_parked(SECOND, "POST /take");
    static char large[1100];
    memset(large, 'x', sizeof large - 1);
    large[0] = large[sizeof large - 2] = '"';
    for (int i = 0; i < 2; i++) turned_check(turned_send_signal(&id, "b", NULL, "1"), 202, "accepted");
    turned_check(turned_send_signal(&id, "b", NULL, "1"), 429, "--signals-max");
    pair_often();
    turned_check(turned_send_signal(&id, "b", NULL, "1"), 429, "--signals-max");
    id = begin_parked(SECOND, "POST /take");
    turned_check(turned_send_signal(&id, "b", NULL, "1"), 202, "accepted");
    turned_check(turned_send_signal(&id, "b", NULL, large), 429, "--signals-bytes-max");
    pair_close();
}

/* The commit is of unknown outcome, or refused: who is told 202 has sent it, who is told 503 may send it again. */
static void test_faults(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        open_nodes();
        seen.go = true;
        run_id id = begin_parked(SECOND, "POST /two");
        memory_fail(turned_disk, faults[i], 0, false);
        int status = turned_reply(turned_send_signal(&id, "a", "k", "\"x\""), text);
        CHECK_INT(status, faults[i] == MEMORY_REFUSES ? 503 : 202); /* what was lost is written again */
        while (status != 202) status = turned_reply(turned_send_signal(&id, "a", "k", "\"x\""), text);
        PAIR_UNTIL(strcmp(seen.got, "x") == 0 && pair_is_parked(SECOND, &id));
        turned_check(turned_send_signal(&id, "a", NULL, "\"y\""), 202, "accepted");
        PAIR_UNTIL(seen.ended[SECOND] == 1);
        CHECK_STR(seen.got, "x y -");
        expect_nothing_left();
        pair_close();
    }
}

/* The owner of the run dies, with the letter unread, read, or its notice not yet deleted. */
static void test_owner_killed(void)
{
    for (int turns = 0; turns < 12; turns++) {
        open_nodes();
        seen.go = true;
        run_id id = begin_parked(SECOND, "POST /two");
        check_signal(&id, "k", 202, "accepted");
        pair_pass(1000);
        for (int i = 0; i < turns; i++) CHECK(turned_turn());
        pair_kill(SECOND);
        check_signal(&id, "k", 202, "accepted"); /* the other node takes letters for it meanwhile */
        pair_open_node(SECOND, routes, (const char *const[]){"--park-after", "0", NULL});
        pair_use(FIRST);
        PAIR_UNTIL(strcmp(seen.got, "x") == 0 && pair_is_parked(SECOND, &id));
        pair_often();
        CHECK_STR(seen.got, "x");
        turned_check(turned_send_signal(&id, "a", NULL, "\"y\""), 202, "accepted");
        PAIR_UNTIL(seen.ended[SECOND] == 1);
        CHECK_STR(seen.got, "x y -");
        expect_nothing_left();
        pair_close();
    }
}

/* ---- Questions ---- */

static int answer_at(unsigned n, const char *answer)
{
    char request[1024], body[64];
    pair_use(n);
    int len = snprintf(body, sizeof body, "\"%s\"", answer), fd = turned_connect();
    len = snprintf(request, sizeof request,
                   "POST %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: application/json\r\n"
                   "Content-Length: %d\r\n\r\n%s",
                   seen.url, len, body);
    CHECK_INT(write(fd, request, (size_t)len), len);
    return fd;
}

/* The page shows it, and the first answer counts, at whichever node it is given. */
static void test_question(void)
{
    open_nodes();
    for (unsigned to = 0; to < PAIR_NODES; to++) {
        run_id id = begin_parked(to, "POST /ask");
        pair_use(1 - to);
        turned_check(turned_send("GET", seen.url, ""), 200, "Go?");
        turned_check(answer_at(1 - to, "perhaps"), 400, "");
        turned_check(answer_at(1 - to, "yes"), 202, "\"decision\":\"yes\"");
        turned_check(answer_at(1 - to, "no"), 200, "\"decision\":\"yes\"");
        turned_check(answer_at(to, "no"), 200, "\"decision\":\"yes\"");
        PAIR_UNTIL(strcmp(seen.got, "yes") == 0);
        turned_check(answer_at(1 - to, "no"), 200, "\"decision\":\"yes\"");
        seen.go = true;
        PAIR_UNTIL(seen.ended[to] == 1);
        PAIR_UNTIL(!pair_slot(to, &id));
        turned_check(answer_at(1 - to, "no"), 200, "\"decision\":\"yes\"");
        seen.go = false;
    }
    expect_nothing_left();
    pair_close();
}

/* Reads a reply while both turn; the other one's is read behind it. */
static int status_of(int fd)
{
    int status = 0;
    text[0] = 0;
    while (turned_read(fd, text)) CHECK(turned_turn());
    close(fd);
    CHECK_INT(sscanf(text, "HTTP/1.1 %d", &status), 1);
    return status;
}

/* Two answers at once, one at each node: one decides, and both are told the same. */
static void test_rivals(void)
{
    for (int ahead = 0; ahead < 16; ahead++) {
        open_nodes();
        (void)begin_parked(SECOND, "POST /ask");
        const int first = answer_at(ahead % 2 ? FIRST : SECOND, "yes");
        for (int i = 0; i < ahead / 2; i++) CHECK(turned_turn());
        const int second = answer_at(ahead % 2 ? SECOND : FIRST, "no");
        const int one = status_of(first);
        const bool is_yes = strstr(text, "\"decision\":\"yes\"");
        CHECK(is_yes || strstr(text, "\"decision\":\"no\""));
        const int other = status_of(second);
        CHECK(strstr(text, is_yes ? "\"decision\":\"yes\"" : "\"decision\":\"no\""));
        CHECK((one == 202 && other == 200) || (one == 200 && other == 202));
        seen.go = true;
        PAIR_UNTIL(seen.ended[SECOND] == 1);
        CHECK_STR(seen.got, is_yes ? "yes" : "no");
        expect_nothing_left();
        pair_close();
    }
}

/* ---- Of runs to runs ---- */

static void test_run_sends(void)
{
    open_nodes();
    for (unsigned to = 0; to < PAIR_NODES; to++) {
        seen.go = true;
        seen.ended[0] = seen.ended[1] = 0;
        run_id id = begin_parked(to, "POST /two");
        run_id_format(&id, target);
        (void)pair_begin(1 - to, "POST /send");
        PAIR_UNTIL(seen.ended[0] == 1 && seen.ended[1] == 1);
        CHECK_STR(seen.url, "11");
        CHECK_STR(seen.got, "one two -");
        PAIR_UNTIL(!pair_slot(to, &id));
        (void)pair_begin(1 - to, "POST /send"); /* to one that has ended */
        PAIR_UNTIL(seen.ended[1 - to] == 2);
        CHECK_STR(seen.url, "00");
    }
    expect_nothing_left();
    pair_close();
}

/* Of the sender's commits one fails: the signals are sent once all the same. */
static void test_run_sends_with_faults(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    for (unsigned i = 0; i < 12; i++) {
        open_nodes();
        seen.go = true;
        run_id id = begin_parked(SECOND, "POST /two");
        run_id_format(&id, target);
        memory_fail(turned_disk, faults[i % 3], i / 3, false);
        (void)pair_begin(FIRST, "POST /send");
        for (int n = 0; n < 200; n++) CHECK(turned_turn());
        PAIR_UNTIL(store_writable(turned_home()->port));
        bool is_there = turned_home()->runs.count > 0 || turned_home()->slots.count > 0;
        if (seen.ended[FIRST] == 0 && !is_there) (void)pair_begin(FIRST, "POST /send"); /* not begun */
        PAIR_UNTIL(seen.ended[FIRST] > 0 && seen.ended[SECOND] == 1);
        CHECK_STR(seen.got, "one two -");
        expect_nothing_left();
        pair_close();
    }
}

/* ---- What only its own node can do ---- */

static void expect_elsewhere(int fd) { turned_check(fd, 503, "belongs to node 1 of the cluster, and this is node 0"); }

static void test_elsewhere(void)
{
    open_nodes();
    run_id id = begin_parked(SECOND, "POST /take");
    expect_elsewhere(turned_send_to("GET", &id, "/output"));
    expect_elsewhere(turned_send_to("GET", &id, "/stream"));
    expect_elsewhere(turned_send_to("DELETE", &id, ""));
    expect_elsewhere(turned_send_to("POST", &id, "/release"));
    expect_elsewhere(turned_send_stop(&id, "why"));
    expect_elsewhere(turned_ask_run("POST", &id, "/resume", ""));
    expect_elsewhere(turned_ask_run("POST", &id, "/fork", "{}"));
    turned_check(turned_send("GET", "/_sw/runs/00000000000000000000000000/output", ""), 401, "token");
    CHECK(!pair_slot(FIRST, &id));
    pair_close();
}

/* A request that comes to another node than the one that has begun its run. */
static void test_same_key(void)
{
    open_nodes();
    pair_use(SECOND);
    const char header[] = "Idempotency-Key: once\r\nPrefer: respond-async\r\n";
    turned_check(turned_send("POST", "/take", header), 202, "");
    PAIR_UNTIL(seen.executions[SECOND] == 1);
    turned_check(turned_send("POST", "/take", header), 202, "");
    pair_use(FIRST);
    expect_elsewhere(turned_send("POST", "/take", header));
    pair_often();
    CHECK(seen.executions[FIRST] == 0 && seen.executions[SECOND] == 1);
    pair_close();
}

/* Two such requests at once, one at each node: one run begins. */
static void test_key_at_once(void)
{
    static const char header[] = "Idempotency-Key: once\r\nPrefer: respond-async\r\n";
    for (int ahead = 0; ahead < 12; ahead++) {
        int fds[PAIR_NODES], statuses[PAIR_NODES];
        open_nodes();
        for (unsigned n = 0; n < PAIR_NODES; n++) {
            pair_use(n);
            fds[n] = turned_send("POST", "/take", header);
            for (int i = 0; i < ahead && n == FIRST; i++) CHECK(turned_turn());
        }
        for (unsigned n = 0; n < PAIR_NODES; n++) statuses[n] = status_of(fds[n]);
        CHECK((statuses[0] == 202 && statuses[1] == 503) || (statuses[0] == 503 && statuses[1] == 202));
        pair_often();
        CHECK_INT(turned_home()->slots.count + pair[pair_other()].app->loops[0].home.slots.count, 1);
        pair_close();
    }
}

/* One action for the runs of both nodes. */
static void act_on_all(const char *action, const char *expected)
{
    char body[128];
    run_id id;
    int status;
    snprintf(body, sizeof body, "{\"action\":\"%s\",\"filter\":{\"endpoint\":\"POST /take\"}}", action);
    CHECK_INT(turned_reply(turned_ask("POST", "/_sw/bulk", body), text), 202);
    CHECK(strstr(text, "\"runId\":\"") && run_id_parse(strstr(text, "\"runId\":\"") + 9, RUN_ID_TEXT, &id));
    do status = turned_reply(turned_send_to("GET", &id, "/output"), text);
    while (status == 303 || status == 503);
    if (status != 200 || !strstr(text, expected)) printf("# %s\n", text);
    CHECK(status == 200 && strstr(text, expected));
    CHECK_INT(turned_rows(STORE_MARKS_TABLE), 0);
}

static void test_bulk(void)
{
    run_id ids[PAIR_NODES];
    open_nodes();
    for (unsigned n = 0; n < PAIR_NODES; n++) ids[n] = begin_parked(n, "POST /take");
    act_on_all("stop", "\"done\":1,\"pending\":1");
    for (unsigned n = 0; n < PAIR_NODES; n++) PAIR_UNTIL(pair_slot(n, &ids[n])->state == SLOT_STOPPED);
    act_on_all("release", "\"done\":1,\"pending\":1");
    for (unsigned n = 0; n < PAIR_NODES; n++) PAIR_UNTIL(pair_is_parked(n, &ids[n]));
    act_on_all("cancel", "\"done\":1,\"pending\":1");
    for (unsigned n = 0; n < PAIR_NODES; n++) PAIR_UNTIL(!pair_slot(n, &ids[n]));
    act_on_all("resume", "\"done\":1,\"pending\":0,\"skipped\":{");
    PAIR_UNTIL(pair_is_parked(FIRST, &ids[FIRST]));
    CHECK(!pair_slot(SECOND, &ids[SECOND]));
    expect_nothing_left();
    pair_close();
}

/* Lists and a run's page are made of what is on disk, which both have. */
static void test_lists(void)
{
    char name[RUN_ID_TEXT + 1];
    run_id ids[PAIR_NODES];
    open_nodes();
    for (unsigned n = 0; n < PAIR_NODES; n++) ids[n] = begin_parked(n, "POST /take");
    for (unsigned at = 0; at < PAIR_NODES; at++) {
        pair_use(at);
        for (unsigned of = 0; of < PAIR_NODES; of++) {
            run_id_format(&ids[of], name);
            turned_check(turned_ask("GET", "/_sw/runs", ""), 200, name);
            turned_check(turned_ask("GET", "/_sw/runs?state=sleeping", ""), 200, name);
            turned_check(turned_ask_run("GET", &ids[of], "", ""), 200, "POST /take");
        }
    }
    pair_close();
}

/* Does the newest read that waits, and what follows from it in this turn. */
static void read_newest(void)
{
    store_hand_read(turned_app->store, store_hand_reads(turned_app->store) - 1);
    CHECK(turned_turn_unread());
}

/* Has the node look between the first piece and the second one. On a slow machine it looks by itself, sooner. */
static void look_between(const run_id *id, unsigned many)
{
    if (store_hand_reads(turned_app->store) != 1) return;
    read_newest();
    const mailbox *b = mailbox_of(turned_home(), id);
    while (b->held_count == 0) CHECK(turned_turn_unread());
    CHECK(b->is_reading && b->held_count < many);
    if (store_hand_reads(turned_app->store) != 1) return; /* the second piece waits */
    pair_pass(1000);
    while (store_hand_reads(turned_app->store) == 1) CHECK(turned_turn_unread());
    for (int i = 0; i < 20; i++) {
        if (store_hand_reads(turned_app->store) > 1) read_newest();
        CHECK(turned_turn_unread());
    }
    CHECK(b->is_reading && b->count > 0); /* it has looked */
    printf("# the node has looked between two pieces\n");
}

/* So many signals that they are read in pieces: the node's look comes to those of the first piece while the second one
 * is being read, and each is one. */
static void test_read_in_pieces(void)
{
    enum { MANY = 1100 };
    const char *const many[] = {"--park-after", "0", "--signals-max", "2000", NULL};
    seen = (notes){.go = false};
    pair_open(routes, many);
    const run_id id = pair_begin(SECOND, "POST /once");
    PAIR_UNTIL(pair_slot(SECOND, &id) && seen.executions[SECOND] == 1 && run_is_durable(pair_slot(SECOND, &id)->run));
    turned_also = NULL; /* that node does not look */
    for (int i = 0; i < MANY; i++) check_signal(&id, NULL, 202, "accepted");
    pair_use(SECOND);
    seen.go = true;
    while (store_hand_reads(turned_app->store) == 0) CHECK(turned_turn_unread());
    look_between(&id, MANY);
    turned_also = pair_turn_other;
    PAIR_UNTIL(seen.ended[SECOND] == 1);
    CHECK_STR(seen.got, "x");
    expect_nothing_left();
    pair_close();
}

static const check_case cases[] = {
    {"a signal sent at one node reaches a run of the other", test_signal},
    {"two nodes send one each at one moment", test_one_moment},
    {"one is read and taken while its node looks for it", test_read_meanwhile},
    {"very many are read while their node looks for them", test_read_in_pieces},
    {"one that is on disk in time counts", test_in_time},
    {"one of another name wakes nobody, and stays", test_other_name},
    {"an early signal is kept, and one sent twice is one", test_early_and_twice},
    {"one that the run has taken is not taken again", test_sent_again_when_taken},
    {"no such run, too many, too large", test_refused},
    {"writes that fail", test_faults},
    {"the run's node is killed in any turn", test_owner_killed},
    {"a question is answered at either node, and the first answer counts", test_question},
    {"of two answers at once one counts", test_rivals},
    {"a run sends a signal to one of the other node", test_run_sends},
    {"once, whatever becomes of its commits", test_run_sends_with_faults},
    {"what only the run's node can do is refused", test_elsewhere},
    {"a key whose run is the other node's", test_same_key},
    {"a key at both nodes at once", test_key_at_once},
    {"one action for the runs of both", test_bulk},
    {"lists and pages show the runs of both", test_lists},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
