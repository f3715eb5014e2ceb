/* Questions of runs, turn by turn: what decides and what does not, once and for as long as the run is there, whatever
 * the run does at that moment; and each wait gets the answer to its own question. */
#include "runtime/clients/question_request.h"

#include "tests/harness/turned.h"

enum { URL_MAX = 512, URLS = 4 };

static struct {
    unsigned executions, attempts;
    char url[URLS][URL_MAX]; /* paths of the questions' URLs, as the last execution got them */
    unsigned asked;
    char got[256]; /* what waits have got, "-": a timeout */
    bool go;
} seen;
static char text[TURNED_TEXT];

static const char *const choices[] = {"approve", "reject <all> & \"more\"", NULL};
static const sw_question drafted = {.text = "Pay <b>90</b> & go?", .choices = choices};

/* ---- The program ---- */

static sw_value hold(sw_ctx *c, sw_value v)
{
    seen.attempts++;
    while (!seen.go) sw_sleep(c, "poll", 1);
    return v;
}

static void ask(sw_ctx *c, unsigned n, const char *name, const sw_question *q)
{
    const char *url = sw_signal_url(c, "ask", name, q);
    CHECK(n < URLS && strncmp(url, "http://", 7) == 0 && strchr(url + 7, '/'));
    snprintf(seen.url[n], URL_MAX, "%s", strchr(url + 7, '/'));
    if (seen.asked <= n) seen.asked = n + 1;
}

static void add_got(sw_ctx *c, bool has_come, sw_value v)
{
    size_t len = strlen(seen.got);
    snprintf(seen.got + len, sizeof seen.got - len, "%s%s", len ? " " : "", has_come ? sw_cstr(c, v) : "-");
}

static void await_answer(sw_ctx *c, const char *name, int64_t timeout_ms)
{
    sw_value v = sw_nil();
    bool has_come = sw_wait_for(c, "wait", &(sw_wait){.signal = name, .timeout_ms = timeout_ms}, &v);
    add_got(c, has_come, v);
}

static void begin_execution(void)
{
    seen.executions++;
    seen.got[0] = 0;
}

static void on_ask(sw_ctx *c)
{
    begin_execution();
    ask(c, 0, "approve", &drafted);
    await_answer(c, "approve", 0);
    sw_reply_text(c, 200, "%s", seen.got);
}

/* Waits behind a step. */
static void on_later(sw_ctx *c)
{
    begin_execution();
    ask(c, 0, "free/text?", NULL);
    (void)sw_step(c, "hold", hold, sw_nil());
    await_answer(c, "free/text?", 0);
    sw_reply_text(c, 200, "%s", seen.got);
}

static int64_t month_ms;

/* A question a month, all of one name; the last one waits for ever. */
static void on_months(sw_ctx *c)
{
    begin_execution();
    for (unsigned i = 0; i < 3; i++) {
        ask(c, i, "approve", &drafted);
        await_answer(c, "approve", i < 2 ? month_ms : 0);
    }
    sw_reply_text(c, 200, "%s", seen.got);
}

/* Waits for one answer again and again: a reminder. */
static void on_remind(sw_ctx *c)
{
    begin_execution();
    ask(c, 0, "approve", &drafted);
    await_answer(c, "approve", month_ms);
    (void)sw_step(c, "hold", hold, sw_nil());
    await_answer(c, "approve", 0);
    sw_reply_text(c, 200, "%s", seen.got);
}

static int64_t patience_ms;

/* Waits in groups, which a sleep decides, and reminds between them. */
static void on_patient(sw_ctx *c)
{
    begin_execution();
    ask(c, 0, "approve", &drafted);
    for (int i = 0; i < 2; i++) {
        sw_value v = sw_nil();
        sw_group *g = sw_group_new(c);
        sw_group_sleep(g, "patience", i == 0 ? patience_ms : 3600000);
        sw_group_wait_for(g, "wait", &(sw_wait){.signal = "approve"});
        bool has_come = sw_group_any(g, "first", &v) == 1;
        add_got(c, has_come, v);
        if (has_come) break;
        (void)sw_step(c, "hold", hold, sw_nil());
    }
    sw_reply_text(c, 200, "%s", seen.got);
}

static sw_value inner_wait(sw_ctx *c, sw_value v)
{
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "approve"}, &v);
    return v;
}

/* Asks, and waits in a branch within. */
static sw_value asks_within(sw_ctx *c, sw_value v)
{
    ask(c, 0, "approve", &drafted);
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "inner", inner_wait, v);
    return sw_at(sw_group_wait(g), 0);
}

/* The branch that asks loses. */
static void on_lost(sw_ctx *c)
{
    begin_execution();
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "asker", asks_within, sw_nil());
    sw_group_wait_for(g, "other", &(sw_wait){.signal = "other"});
    (void)sw_group_any(g, "first", NULL);
    (void)sw_step(c, "hold", hold, sw_nil());
    sw_reply_text(c, 200, "over");
}

static sw_value branch(sw_ctx *c, sw_value input)
{
    sw_value v = sw_nil();
    ask(c, (unsigned)sw_as_int(input, 0), "approve", NULL);
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "approve"}, &v);
    return v;
}

static void on_branches(sw_ctx *c)
{
    begin_execution();
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < 3; i++) sw_group_branch(g, sw_printf(c, "branch %d", i), branch, sw_int(i));
    sw_reply_json(c, 200, sw_group_wait(g));
}

static sw_value asks_late(sw_ctx *c, sw_value input)
{
    (void)sw_step(c, "hold", hold, sw_nil());
    ask(c, 0, "approve", NULL);
    return input;
}

static int64_t early_ms;

/* Waits before a branch asks, and sleeps then. */
static void on_early(sw_ctx *c)
{
    begin_execution();
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "asker", asks_late, sw_nil());
    await_answer(c, "approve", early_ms);
    (void)sw_group_wait(g);
    if (strcmp(seen.got, "yes") != 0) sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "%s", seen.got);
}

/* Does not wait at all. */
static void on_end(sw_ctx *c)
{
    begin_execution();
    ask(c, 0, "approve", &drafted);
    (void)sw_step(c, "hold", hold, sw_nil());
    sw_reply_text(c, 200, "over");
}

static void routes(sw_app *app)
{
    memset(&seen, 0, sizeof seen);
    sw_endpoint(app, "POST /ask", on_ask, NULL);
    sw_endpoint(app, "POST /later", on_later, NULL);
    sw_endpoint(app, "POST /months", on_months, NULL);
    sw_endpoint(app, "POST /remind", on_remind, NULL);
    sw_endpoint(app, "POST /patient", on_patient, NULL);
    sw_endpoint(app, "POST /lost", on_lost, NULL);
    sw_endpoint(app, "POST /branches", on_branches, NULL);
    sw_endpoint(app, "POST /early", on_early, NULL);
    sw_endpoint(app, "POST /end", on_end, NULL);
}

/* ---- Asking ---- */

static const char *const unpatient[] = {"--drain", "0", NULL};
static const char as_json[] = "application/json", as_form[] = "application/x-www-form-urlencoded";

/* `type` NULL: without Content-Type. */
static int send_to(const char *method, const char *url, const char *type, const char *body)
{
    char request[2048];
    int fd = turned_connect();
    int len =
        snprintf(request, sizeof request,
                 "%s %s HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n%s%s%sContent-Length: %zu\r\n\r\n%s",
                 method, url, type ? "Content-Type: " : "", type ? type : "", type ? "\r\n" : "", strlen(body), body);
    CHECK(len < (int)sizeof request);
    CHECK_INT(write(fd, request, (size_t)len), len);
    return fd;
}

/* The reply is in `text` then. */
static void told(int fd, int status, const char *part)
{
    int came = turned_reply(fd, text);
    if (came != status || !strstr(text, part)) printf("# %s\n", text);
    CHECK_INT(came, status);
    CHECK(strstr(text, part));
}

static void json_told(const char *url, const char *body, int status, const char *part)
{
    told(send_to("POST", url, as_json, body), status, part);
}

static void is_decided(const char *url, int status, const char *decision)
{
    char part[128];
    snprintf(part, sizeof part, "\"status\":\"%s\",\"decision\":\"%s\"}", status == 202 ? "accepted" : "decided",
             decision);
    json_told(url, "\"approve\"", status, part);
}

static long letters(void) { return turned_rows("inbox"); }

static run_id begin(const char *route)
{
    run_id id = turned_begin(route)->id;
    TURN_UNTIL(seen.asked > 0 && turned_slot(&id));
    return id;
}

static run_id park(const char *route)
{
    run_id id = begin(route);
    TURN_UNTIL(turned_slot(&id)->state == SLOT_PARKED);
    return id;
}

static void restart(void)
{
    turned_end();
    turned_open(routes, unpatient);
}

/* The value that the page's form has. */
static void read_form(const char *url, char form[128])
{
    told(send_to("GET", url, NULL, ""), 200, "<form method=\"post\">");
    const char *at = strstr(text, "name=\"form\" value=\"");
    CHECK(at && sscanf(at, "name=\"form\" value=\"%127[0-9a-zA-Z._-]\"", form) == 1);
}

/* ---- What decides ---- */

/* Looking, and posting what the page has not made, decides nothing. */
static void test_nothing_decided(void)
{
    turned_open(routes, NULL);
    run_id id = park("POST /ask");
    const char *url = seen.url[0];
    told(send_to("GET", url, NULL, ""), 200, "Pay &lt;b&gt;90&lt;/b&gt; &amp; go?");
    CHECK(strstr(text, "value=\"reject &lt;all&gt; &amp; &quot;more&quot;\">reject &lt;all&gt;"));
    static const char *const headers[] = {"frame-ancestors 'none'", "default-src 'none'",
                                          "Referrer-Policy: no-referrer", "Cache-Control: no-store",
                                          "X-Content-Type-Options: nosniff"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) CHECK(strstr(text, headers[i]));
    CHECK(!strstr(text, "evil.example"));
    told(send_to("HEAD", url, NULL, ""), 200, "Content-Security-Policy");
    CHECK(!strstr(text, "<form"));
    told(send_to("OPTIONS", url, NULL, ""), 204, "Allow: POST, GET, HEAD, OPTIONS");
    told(send_to("PUT", url, as_json, "\"approve\""), 405, "");
    static const char *const types[] = {NULL, "application/x-www-form-urlencoded", "text/plain", "application/jsonx"};
    static const char *const bodies[] = {"", "\"approve\"", "answer=approve", "form=&answer=approve",
                                         "form=1900000000.CuVmGkFupmU_OY7hfaIGeYaiTgD8NIfYZqvRh4iicy8&answer=approve"};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t b = 0; b < sizeof bodies / sizeof *bodies; b++)
            told(send_to("POST", url, types[t], bodies[b]), 400, "<form method=\"post\">");
    json_told(url, "", 400, "the body is empty");
    json_told(url, "{", 400, "");
    static const char *const wrong[] = {"\"Approve\"", "true", "[\"approve\"]", "\"approv\"", "\"\"", "null"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) json_told(url, wrong[i], 400, "none of the question's");
    turned_often();
    CHECK_INT(letters(), 0);
    CHECK_INT(seen.executions, 1);
    told(send_to("POST", url, "application/json; charset=utf-8", "\"approve\""), 202, "\"decision\":\"approve\"");
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "approve");
    turned_close();
}

/* The first answer counts, when the run has taken it, too, and when the run has ended, and in the next process. */
static void test_first_counts(void)
{
    turned_open(routes, NULL);
    run_id id = park("POST /ask");
    char url[URL_MAX];
    snprintf(url, sizeof url, "%s", seen.url[0]);
    json_told(url, "\"reject <all> & \\\"more\\\"\"", 202, "\"status\":\"accepted\"");
    is_decided(url, 200, "reject <all> & \\\"more\\\"");
    TURN_UNTIL(!turned_slot(&id));
    is_decided(url, 200, "reject <all> & \\\"more\\\"");
    told(send_to("GET", url, NULL, ""), 200, "<strong>reject &lt;all&gt; &amp; &quot;more&quot;</strong>");
    CHECK(!strstr(text, "<form"));
    restart();
    is_decided(url, 200, "reject <all> & \\\"more\\\"");
    turned_close();
}

/* Of two clicks in one moment the first counts, and both are told of it. */
static void test_two_at_once(void)
{
    turned_open(routes, NULL);
    run_id id = park("POST /ask");
    turned_writes = false;
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = send_to("POST", seen.url[0], as_json, i == 0 ? "\"approve\"" : "\"reject <all> & \\\"more\\\"\"");
    for (int i = 0; i < 20; i++) CHECK(turned_turn());
    turned_writes = true;
    turned_check(fds[0], 202, "\"accepted\",\"decision\":\"approve\"");
    for (int i = 1; i < 4; i++) turned_check(fds[i], 200, "\"decided\",\"decision\":\"approve\"");
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "approve");
    turned_close();
}

/* A journal may be long, and each look at a question reads all of it: however many look, few do so at once. */
static void test_many_look(void)
{
    enum { CLIENTS = 40, AT_ONCE_MAX = 8 };
    int fds[CLIENTS], looks, answers = 0;
    turned_open(routes, NULL);
    run_id id = park("POST /ask");
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = i % 2 ? send_to("POST", seen.url[0], as_json, "\"approve\"") : send_to("GET", seen.url[0], NULL, "");
    for (int i = 0; i < 100; i++) {
        CHECK(turned_turn_unread());
        looks = (int)store_hand_reads(turned_app->store);
        CHECK(looks <= AT_ONCE_MAX);
    }
    CHECK(looks > 0);
    for (int i = 0; i < CLIENTS; i++) {
        int status = turned_reply(fds[i], text);
        CHECK(status == 200 || (i % 2 && status == 202));
        answers += status == 202;
    }
    CHECK_INT(answers, 1);
    TURN_UNTIL(!turned_slot(&id));
    turned_close();
}

/* By the page: its form decides once, and every later one shows what was decided. */
static void test_form(void)
{
    char form[128], other[128], body[512];
    turned_open(routes, NULL);
    run_id id = park("POST /ask"), second;
    char url[URL_MAX];
    snprintf(url, sizeof url, "%s", seen.url[0]);
    read_form(url, form);
    seen.asked = 0;
    second = park("POST /ask");
    read_form(seen.url[0], other);
    snprintf(body, sizeof body, "form=%s&answer=approve", other); /* of another run's page */
    told(send_to("POST", url, as_form, body), 400, "did not come from this page");
    snprintf(body, sizeof body, "form=%s&answer=perhaps", form);
    told(send_to("POST", url, as_form, body), 400, "none of the question");
    CHECK_INT(letters(), 0);
    snprintf(body, sizeof body, "form=%s&answer=approve", form);
    told(send_to("POST", url, as_form, body), 200, "has been taken: <strong>approve</strong>");
    snprintf(body, sizeof body, "form=%s&answer=reject+%%3Call%%3E+%%26+%%22more%%22", form);
    told(send_to("POST", url, as_form, body), 200, "has been answered: <strong>approve</strong>");
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "approve");
    CHECK(turned_slot(&second)->state == SLOT_PARKED);
    turned_close();
}

/* Without choices any text is an answer; one that comes before its wait is kept, also by the next process. */
static void test_early_answer(void)
{
    char form[128], body[512], url[URL_MAX];
    turned_open(routes, unpatient);
    run_id id = begin("POST /later");
    TURN_UNTIL(seen.attempts == 1);
    snprintf(url, sizeof url, "%s", seen.url[0]);
    read_form(url, form);
    CHECK(strstr(text, "<textarea") && strstr(text, "free/text?"));
    snprintf(body, sizeof body, "form=%s&answer=two%%0D%%0Alines+%%C3%%A4", form);
    told(send_to("POST", url, as_form, body), 200, "taken: <strong>two\nlines \xc3\xa4</strong>");
    CHECK_INT(letters(), 1);
    json_told(url, "7", 200, "\"decision\":\"two\\nlines \xc3\xa4\"");
    restart();
    TURN_UNTIL(seen.attempts == 1);
    json_told(url, "7", 200, "\"decision\":\"two\\nlines \xc3\xa4\"");
    CHECK_STR(seen.url[0], url);
    seen.go = true;
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "two\nlines \xc3\xa4");
    TURN_UNTIL(turned_home()->mailboxes.count == 0 && turned_home()->outbox.in_flight == 0);
    CHECK_INT(letters(), 0);
    turned_close();
}

/* ---- Whose answer it is ---- */

/* A late click on last month's mail does not approve this month's question. */
static void test_months(void)
{
    for (month_ms = 50;; month_ms *= 2) { /* long enough for an answer to come meanwhile */
        turned_open(routes, (const char *const[]){"--park-after", "0", NULL});
        run_id id = park("POST /months");
        int answered = turned_reply(send_to("POST", seen.url[0], as_json, "\"approve\""), text);
        if (answered == 202) {
            TURN_UNTIL(seen.asked == 3 && turned_slot(&id)->state == SLOT_PARKED);
            told(send_to("GET", seen.url[1], NULL, ""), 410, "the time for an answer is over");
            json_told(seen.url[1], "\"approve\"", 409, "the time for an answer is over");
            is_decided(seen.url[0], 200, "approve");
            unsigned executions = seen.executions;
            turned_often();
            CHECK_INT(seen.executions, executions);
            json_told(seen.url[2], "\"reject <all> & \\\"more\\\"\"", 202, "accepted");
            TURN_UNTIL(!turned_slot(&id));
            CHECK_STR(seen.got, "approve - reject <all> & \"more\"");
            turned_close();
            return;
        }
        turned_close();
    }
}

/* An answer on its way when its wait is over is waited for; one that comes when the timeout is decided is refused. And
 * what was kept of an old question wakes nobody for a new one. */
static void test_kept_for_its_own(void)
{
    month_ms = 20;
    turned_open(routes, (const char *const[]){"--park-after", "0", NULL});
    run_id id = begin("POST /months");
    TURN_UNTIL(seen.asked == 3 && turned_slot(&id)->state == SLOT_PARKED);
    for (int i = 0; i < 2; i++) json_told(seen.url[i], "\"approve\"", 409, "the time for an answer is over");
    char last[URL_MAX];
    snprintf(last, sizeof last, "%s", seen.url[2]);
    restart();
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_PARKED);
    CHECK_INT(letters(), 0);
    json_told(last, "\"approve\"", 202, "accepted");
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "- - approve");
    json_told(seen.url[0], "\"approve\"", 409, "the run has ended");
    told(send_to("GET", seen.url[0], NULL, ""), 410, "the run has ended");
    turned_close();
}

/* A wait that begins again has the question open again. */
static void test_reminder(void)
{
    month_ms = 10;
    turned_open(routes, (const char *const[]){"--park-after", "0", NULL});
    run_id id = begin("POST /remind");
    TURN_UNTIL(seen.attempts == 1);
    json_told(seen.url[0], "\"approve\"", 409, "the time for an answer is over");
    seen.go = true;
    TURN_UNTIL(turned_slot(&id)->state == SLOT_PARKED);
    is_decided(seen.url[0], 202, "approve");
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "- approve");
    is_decided(seen.url[0], 200, "approve");
    turned_close();
}

static void is_over(const char *url)
{
    told(send_to("GET", url, NULL, ""), 410, "the time for an answer is over");
    json_told(url, "\"approve\"", 409, "the time for an answer is over");
}

/* A wait that loses is given up, in the next process too: nobody is told that an answer was taken that nobody takes. */
static void test_given_up(void)
{
    patience_ms = 10;
    turned_open(routes, unpatient);
    run_id id = begin("POST /patient");
    TURN_UNTIL(seen.attempts == 1);
    is_over(seen.url[0]);
    restart();
    TURN_UNTIL(seen.attempts == 1);
    is_over(seen.url[0]);
    seen.go = true;
    TURN_UNTIL(turned_slot(&id)->state == SLOT_PARKED);
    is_decided(seen.url[0], 202, "approve");
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "- approve");
    turned_close();
}

/* So is a wait in a branch that loses. */
static void test_lost_branch(void)
{
    turned_open(routes, unpatient);
    run_id id = park("POST /lost");
    told(send_to("GET", seen.url[0], NULL, ""), 200, "<form");
    turned_check(turned_send_signal(&id, "other", NULL, "1"), 202, "");
    TURN_UNTIL(seen.attempts == 1);
    is_over(seen.url[0]);
    restart();
    TURN_UNTIL(seen.attempts == 1);
    is_over(seen.url[0]);
    turned_close();
}

/* An answer that somebody was told is taken counts, though a sleep beside its wait is over when the run looks: it lies
 * in the inbox of a run that was stopped meanwhile. */
static void test_answered_in_time(void)
{
    for (patience_ms = 100;; patience_ms *= 2) { /* long enough for a stop and an answer to come meanwhile */
        turned_open(routes, (const char *const[]){"--park-after", "0", NULL});
        const int64_t from_ms = clock_wall_ms(); /* the sleep begins later */
        run_id id = begin("POST /patient");
        int64_t over_ms = clock_wall_ms() + patience_ms;
        TURN_UNTIL(turned_slot(&id)->state == SLOT_PARKED || seen.attempts > 0);
        turned_check(turned_send_stop(&id, ""), 200, "");
        TURN_UNTIL(turned_slot(&id)->state == SLOT_STOPPED);
        bool is_in_time = seen.attempts == 0 && clock_wall_ms() < from_ms + patience_ms;
        if (is_in_time) {
            is_decided(seen.url[0], 202, "approve");
            TURN_UNTIL(clock_wall_ms() > over_ms);
            turned_check(turned_send_release(&id), 200, "");
            TURN_UNTIL(!turned_slot(&id) || seen.attempts > 0);
            CHECK_STR(seen.got, "approve");
        }
        turned_close();
        if (is_in_time) return;
    }
}

/* Branches that ask under one name get each its own, in whichever order, also over restarts. */
static void test_branches(void)
{
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}};
    for (unsigned o = 0; o < 6; o++) {
        turned_open(routes, NULL);
        run_id id = begin("POST /branches");
        TURN_UNTIL(seen.asked == 3 && turned_slot(&id)->state == SLOT_PARKED);
        for (int i = 0; i < 3; i++) {
            char answer[8], url[URL_MAX];
            int n = orders[o % 3][i];
            snprintf(answer, sizeof answer, "\"%d\"", n);
            snprintf(url, sizeof url, "%s", seen.url[n]);
            if (o >= 3) restart();
            json_told(url, answer, 202, "accepted");
            json_told(url, "\"9\"", 200, answer);
        }
        TURN_UNTIL(!turned_slot(&id));
        turned_check(turned_send_to("GET", &id, "/output"), 200, "[\"0\",\"1\",\"2\"]");
        turned_close();
    }
}

/* A wait may begin before a branch asks its question. */
static void test_asked_late(void)
{
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /early")->id;
    TURN_UNTIL(seen.attempts == 1);
    seen.go = true;
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_PARKED);
    json_told(seen.url[0], "\"yes\"", 202, "accepted");
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "yes");
    turned_close();
}

/* Such a wait takes what an operator sends, or times out: then nobody waits for the link's answer any more. */
static void test_late_ends(void)
{
    for (int is_sent = 0; is_sent < 2; is_sent++) {
        early_ms = is_sent ? 0 : 100;
        turned_open(routes, NULL);
        run_id id = turned_begin("POST /early")->id;
        TURN_UNTIL(seen.attempts == 1);
        seen.go = true;
        TURN_UNTIL(seen.asked > 0);
        if (is_sent) turned_check(turned_send_signal(&id, "approve", NULL, "\"by hand\""), 202, "");
        TURN_UNTIL(seen.got[0] && turned_slot(&id)->state == SLOT_PARKED);
        if (is_sent)
            is_decided(seen.url[0], 200, "by hand");
        else
            json_told(seen.url[0], "\"yes\"", 409, "the time for an answer is over");
        told(send_to("GET", seen.url[0], NULL, ""), is_sent ? 200 : 410, is_sent ? "by hand" : "is over");
        turned_close();
    }
    early_ms = 0;
}

/* What is no path of a question is not taken for a signal of the name. */
static void check_no_path(const char *id)
{
    static const char *const paths[] = {"", "0", "0000000000000000", "123456789ABCDEFG", "123456789abcdef", "question"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char target[256];
        snprintf(target, sizeof target, "/_sw/runs/%s/signals/approve?question=%s", id, paths[i]);
        turned_check(turned_ask("POST", target, "\"approve\""), 400, "16 hexadecimal digits");
    }
    CHECK_INT(letters(), 0);
}

/* An operator answers by name, or just this question; either way its URL tells the decision. */
static void test_operator(void)
{
    char name[RUN_ID_TEXT + 1], target[512];
    for (int by_question = 0; by_question < 2; by_question++) {
        turned_open(routes, NULL);
        run_id id = park("POST /ask");
        run_id_format(&id, name);
        const char *path = by_question ? strstr(seen.url[0], "token=s") + strlen("token=s") : "", *q = "?question=";
        snprintf(target, sizeof target, "/_sw/runs/%s/signals/approve%s%.16s", name, *path ? q : "", path);
        if (by_question) turned_check(turned_ask("POST", target, "\"perhaps\""), 400, "none of the question's choices");
        check_no_path(name);
        turned_check(turned_ask("POST", target, "\"approve\""), 202, by_question ? "\"decision\":\"approve\"" : "");
        TURN_UNTIL(!turned_slot(&id));
        is_decided(seen.url[0], 200, "approve");
        turned_close();
    }
}

/* ---- Wrong links ---- */

static void test_wrong_links(void)
{
    char url[URL_MAX], changed[URL_MAX + 8], foreign[URL_MAX];
    turned_open(routes, NULL);
    run_id id = park("POST /ask");
    snprintf(url, sizeof url, "%s", seen.url[0]);
    seen.asked = 0;
    (void)park("POST /ask");
    snprintf(foreign, sizeof foreign, "%.*s%s", (int)(strchr(url, '?') - url), url, strchr(seen.url[0], '?'));
    told(send_to("GET", foreign, NULL, ""), 403, "This link is not valid");
    json_told(foreign, "\"approve\"", 403, "");
    size_t len = strlen(url), from = (size_t)(strstr(url, "token=s") - url) + 6;
    for (size_t i = from; i < len; i++) {
        snprintf(changed, sizeof changed, "%s", url);
        changed[i] = changed[i] == '0' ? '1' : '0';
        json_told(changed, "\"approve\"", 403, "");
        snprintf(changed, sizeof changed, "%.*s", (int)i, url);
        told(send_to("GET", changed, NULL, ""), 403, "This link is not valid");
    }
    snprintf(changed, sizeof changed, "%.*s", (int)(strchr(url, '?') - url), url);
    told(send_to("GET", changed, NULL, ""), 403, "This link is not valid");
    json_told(changed, "\"approve\"", 401, "");
    char name[RUN_ID_TEXT + 1];
    run_id_format(&id, name);
    snprintf(changed, sizeof changed, "/_sw/runs/%s/output%s", name, strchr(url, '?'));
    told(send_to("GET", changed, NULL, ""), 403, "the answer to one question");
    snprintf(changed, sizeof changed, "/_sw/runs/%s%s", name, strchr(url, '?'));
    told(send_to("DELETE", changed, NULL, ""), 403, "the answer to one question");
    snprintf(changed, sizeof changed, "/_sw/runs/%s/signals/other%s", name, strchr(url, '?'));
    json_told(changed, "\"approve\"", 404, "no such question");
    turned_often();
    CHECK_INT(letters(), 0);
    is_decided(url, 202, "approve");
    turned_close();
}

/* Of a run that ends and never waited, and that is stopped. */
static void test_states(void)
{
    turned_open(routes, NULL);
    run_id id = begin("POST /end");
    TURN_UNTIL(seen.attempts == 1);
    is_decided(seen.url[0], 202, "approve");
    seen.go = true;
    TURN_UNTIL(!turned_slot(&id));
    TURN_UNTIL(turned_home()->mailboxes.count == 0 && turned_home()->outbox.in_flight == 0);
    json_told(seen.url[0], "\"approve\"", 409, "the run has ended"); /* nobody has taken it */
    turned_close();

    turned_open(routes, NULL);
    id = park("POST /ask");
    turned_check(turned_send_stop(&id, ""), 200, "");
    TURN_UNTIL(turned_slot(&id)->state == SLOT_STOPPED);
    is_decided(seen.url[0], 202, "approve");
    is_decided(seen.url[0], 200, "approve");
    turned_check(turned_send_release(&id), 200, "");
    TURN_UNTIL(!turned_slot(&id));
    CHECK_STR(seen.got, "approve");
    turned_close();
}

static int send_typed(const char *url, const char *form, const char *typed)
{
    char body[512];
    snprintf(body, sizeof body, "form=%s&answer=%s", form, typed);
    return send_to("POST", url, as_form, body);
}

/* The page comes again, has what was typed, and says what to do to somebody who operates nothing. */
static void is_shown_again(int fd, int status, const char *said)
{
    told(fd, status, said);
    CHECK(strstr(text, "required>\ntwo\nlines &lt;b&gt;</textarea>") && strstr(text, "name=\"form\" value=\""));
    CHECK((strstr(text, "Retry-After: ") != NULL) == (status == 429 || status == 503));
    const char *shown = strstr(text, "<main>");
    CHECK(shown && !strstr(shown, "(--") && !strstr(shown, "journal") && !strstr(shown, "memory"));
}

static void test_typed(void)
{
    static const char typed[] = "two%0D%0Alines+%3Cb%3E";
    char form[128], old[128], url[URL_MAX];
    turned_open(routes, (const char *const[]){"--signals-max", "1", "--signal-max", "20", NULL});
    run_id id = begin("POST /later");
    TURN_UNTIL(seen.attempts == 1);
    snprintf(url, sizeof url, "%s", seen.url[0]);
    read_form(url, form);
    memory_fail(turned_disk, MEMORY_REFUSES, 0, true);
    is_shown_again(send_typed(url, form, typed), 503, "send it again in a moment");
    is_shown_again(send_typed(url, form, typed), 503, "send it again in a moment"); /* the gate is closed */
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    TURN_UNTIL(gate_writable(turned_home()));
    memory_fail_reads(turned_disk, true);
    is_shown_again(send_typed(url, form, typed), 503, "send it again in a moment");
    told(send_to("GET", url, NULL, ""), 503, "load it again in a moment");
    memory_fail_reads(turned_disk, false);
    turned_check(turned_send_signal(&id, "other", NULL, "1"), 202, "");
    is_shown_again(send_typed(url, form, typed), 429, "send it again later");
    json_told(url, "\"typed\"", 429, "(--signals-max)");
    const run_token_form over = {&id, strtoull(strstr(url, "token=s") + 7, NULL, 16), clock_wall_ms() - 1000};
    run_token_make_form(&turned_app->key, &over, old);
    is_shown_again(send_typed(url, old, typed), 400, "open for too long");
    told(send_typed(url, form, "a+text+of+more+than+20+bytes"), 413,
         "required>\na text of more than 20 bytes</textarea>");
    told(send_typed(url, form, "%FF"), 400, "type it once more");
    told(send_typed(url, form, "+%0D%0A%09"), 400, "Your answer is empty");
    CHECK_INT(letters(), 1);
    told(turned_send_to("DELETE", &id, ""), 200, "");
    told(send_typed(url, form, typed), 409, "Your answer was not taken: <strong>two\nlines &lt;b&gt;</strong>");
    turned_close();
}

/* The disk takes no writes: nothing is decided, and the page says so. */
static void test_no_writes(void)
{
    turned_open(routes, NULL);
    run_id id = park("POST /ask");
    memory_fail(turned_disk, MEMORY_REFUSES, 0, true);
    json_told(seen.url[0], "\"approve\"", 503, "");
    told(send_to("GET", seen.url[0], NULL, ""), 200, "<form");
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    TURN_UNTIL(gate_writable(turned_home()));
    is_decided(seen.url[0], 202, "approve");
    TURN_UNTIL(!turned_slot(&id));
    turned_close();
}

static const check_case cases[] = {{"nothing decided", test_nothing_decided},
                                   {"the first counts", test_first_counts},
                                   {"two at once", test_two_at_once},
                                   {"many look", test_many_look},
                                   {"a form", test_form},
                                   {"an early answer", test_early_answer},
                                   {"last month's mail", test_months},
                                   {"kept for its own", test_kept_for_its_own},
                                   {"a reminder", test_reminder},
                                   {"waits that lose", test_given_up},
                                   {"a branch that loses", test_lost_branch},
                                   {"answered in time", test_answered_in_time},
                                   {"branches of one name", test_branches},
                                   {"asked late", test_asked_late},
                                   {"asked late, and over", test_late_ends},
                                   {"operators", test_operator},
                                   {"wrong links", test_wrong_links},
                                   {"ended and stopped", test_states},
                                   {"what was typed", test_typed},
                                   {"no writes", test_no_writes}};

CHECK_MAIN(cases)
