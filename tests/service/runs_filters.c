/* The filters of the list of runs: whatever is asked for, in pages of whatever size, is what a plain look at every run
 * finds; before and after kill -9, and where --redact hides a part. What a filter does not take is refused. */
#include <ctype.h>
#include <time.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { RUNS_MAX = 200, ROUNDS = 25, QUESTIONS = 150, ID_LEN = 26 };

/* ---- The program ---- */

static sw_value refuse(sw_ctx *c, sw_value input) { sw_fail_fatal(c, "%s", sw_cstr(c, input)); }

static sw_value refuse_now(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_fail(c, "The Upstream is away");
}

static sw_value wait_for_ever(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "for ever", 86400000);
    return input;
}

static void on_ok(sw_ctx *c)
{
    const char *which = sw_param(c, "which");
    if (which) sw_label(c, "which", which);
    sw_reply_text(c, 200, "ok");
}

static void on_bad(sw_ctx *c) { (void)sw_step(c, "refuse", refuse, sw_str(c, "Card 4711 was declined")); }
static void on_worse(sw_ctx *c) { (void)sw_step(c, "refuse", refuse, sw_str(c, "card 12 was LOST at /x?key=4711")); }

static void on_held(sw_ctx *c)
{
    sw_label(c, "which", "2");
    (void)sw_step(c, "hold", wait_for_ever, sw_nil());
}

static void on_nap(sw_ctx *c) { sw_sleep(c, "nap", 86400000); }

static void on_stop(sw_ctx *c)
{
    (void)sw_step_with(c, "stop", refuse_now, sw_nil(), &(sw_step_options){.retries = SW_NO_RETRIES});
}

/* Messages that are alike but for one thing each: of digits alone, one that another begins with, none, bytes that are
 * no UTF-8, a character at the cut; each fails in one of two steps, or in none. */
static const char *const odd_messages[] = {
    "503",
    "404 ",
    "",
    "no",
    "No",
    "no way",
    "no 1 way",
    "no 22 way",
    "a \"quote\", a \\ and a\nline",
    "a+b & c=d%20",
    "not \xff text",
    "\xc3",
    "5 of 10 \xc3\xa4\xc3\xb6",
    "0123456789 and then a text that is longer than what a kind has room for, at its end "
    "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac",
    "eighty bytes of a message that end within one character, which is left out alto"
    "\xf0\x9f\x90\x9d"};
enum { ODD_MESSAGES = sizeof odd_messages / sizeof *odd_messages, ODD_STEPS = 3 };

static void on_odd(sw_ctx *c)
{
    static const char *const steps[ODD_STEPS] = {NULL, "refuse", "refuse:1"};
    int which = atoi(sw_param(c, "which"));
    const char *message = odd_messages[which % ODD_MESSAGES], *step = steps[which / ODD_MESSAGES % ODD_STEPS];
    if (!step) sw_fail_fatal(c, "%s", message);
    (void)sw_step(c, step, refuse, sw_str(c, message));
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("filters");
    sw_endpoint(app, "GET /ok", on_ok, &(sw_endpoint_options){.version = "1.0"});
    sw_endpoint(app, "GET /ok/:which", on_ok, &(sw_endpoint_options){.version = "2.0"});
    sw_endpoint(app, "GET /bad", on_bad, &(sw_endpoint_options){.version = "1.0"});
    sw_endpoint(app, "GET /worse", on_worse, &(sw_endpoint_options){.version = "2.0"});
    sw_endpoint(app, "GET /held", on_held, NULL);
    if (!getenv("FILTERS_WITHOUT_NAP")) sw_endpoint(app, "GET /nap", on_nap, NULL);
    sw_endpoint(app, "GET /stop", on_stop, &(sw_endpoint_options){.on_exhausted = SW_STOP});
    sw_endpoint(app, "GET /odd/:which", on_odd, NULL);
    return sw_main(app, argc, argv);
}

/* ---- What the list shows, and what a plain look at it finds ---- */

typedef struct seen {
    char id[ID_LEN + 1], state[16], endpoint[32], version[16], error[160], label[32];
} seen;

static answer a;
static seen all[RUNS_MAX]; /* the newest first */
static size_t all_count;
static unsigned dice = 1;

static unsigned roll(unsigned sides)
{
    dice = dice * 1103515245 + 12345;
    return (dice >> 16) % sides;
}

static void member(const char *line, const char *name, char *out, size_t size)
{
    char key[32];
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *at = strstr(line, key);
    const char *end = strchr(line, '\n');
    out[0] = 0;
    if (!at || (end && at > end)) return;
    at += strlen(key);
    size_t len = 0;
    while (at[len] && at[len] != '"') len += at[len] == '\\' ? 2 : 1;
    CHECK(len < size);
    snprintf(out, size, "%.*s", (int)len, at);
}

/* Reads the answer's lines behind the ones that are there, and `next`. Returns how many there were. */
static size_t page_read(seen *to, size_t count, char next[ID_LEN + 1])
{
    size_t n = 0;
    CHECK_INT(a.status, 200);
    for (const char *at = a.body; (at = strstr(at, "{\"runId\":\"")); at++, n++) {
        seen *s = &to[count + n];
        CHECK(count + n < RUNS_MAX);
        member(at, "runId", s->id, sizeof s->id);
        member(at, "state", s->state, sizeof s->state);
        member(at, "endpoint", s->endpoint, sizeof s->endpoint);
        member(at, "version", s->version, sizeof s->version);
        member(at, "error", s->error, sizeof s->error);
        member(at, "which", s->label, sizeof s->label);
        if (!s->error[0] && strcmp(s->state, "stopped") == 0) member(at, "detail", s->error, sizeof s->error);
    }
    const char *from = strstr(a.body, "\"next\":\"");
    next[0] = 0;
    if (from) snprintf(next, ID_LEN + 1, "%s", from + 8);
    return n;
}

/* A page ends early when the server has looked long enough. */
static void look_at_all(void)
{
    char next[ID_LEN + 1] = "";
    all_count = 0;
    do {
        char path[96];
        snprintf(path, sizeof path, "/_sw/runs?limit=500%s%s", next[0] ? "&before=" : "", next);
        call(NULL, server_url(path), NULL, NULL, 0, &a);
        all_count += page_read(all, all_count, next);
    } while (next[0]);
}

typedef struct question {
    const char *endpoint, *state, *version, *error, *label;
    char id[ID_LEN + 1], after[ID_LEN + 1], before[ID_LEN + 1];
    long long from_ms, to_ms; /* 0: any */
    bool as_text;             /* times as RFC 3339 */
} question;

static long long ms_of(const char *id)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    long long ms = 0;
    for (int i = 0; i < 10; i++) ms = ms * 32 + (strchr(digits, id[i]) - digits);
    return ms;
}

static bool contains(const char *text, const char *part)
{
    for (; *text; text++)
        if (strncasecmp(text, part, strlen(part)) == 0) return true;
    return false;
}

static bool names(const char *list, const char *name)
{
    for (size_t len; *list; list += len + (list[len] == ',')) {
        len = strcspn(list, ",");
        if (strlen(name) == len && strncmp(list, name, len) == 0) return true;
    }
    return false;
}

static bool is_meant(const question *q, const seen *s)
{
    if (q->endpoint && strcmp(q->endpoint, s->endpoint) != 0) return false;
    if (q->state && !names(q->state, s->state)) return false;
    if (q->version && strcmp(q->version, s->version) != 0) return false;
    if (q->error && !contains(s->error, q->error)) return false;
    if (q->label && strcmp(q->label, s->label) != 0) return false;
    if (strncasecmp(q->id, s->id, strlen(q->id)) != 0) return false;
    if (q->after[0] && strcmp(s->id, q->after) <= 0) return false;
    if (q->before[0] && strcmp(s->id, q->before) >= 0) return false;
    return (!q->from_ms || ms_of(s->id) >= q->from_ms) && (!q->to_ms || ms_of(s->id) <= q->to_ms);
}

/* ---- Asking ---- */

static void add_text(char *url, size_t size, const char *name, const char *value)
{
    size_t len = strlen(url);
    len += (size_t)snprintf(url + len, size - len, "&%s=", name);
    for (; *value; value++)
        len += (size_t)snprintf(url + len, size - len, isalnum((unsigned char)*value) ? "%c" : "%%%02x",
                                (unsigned char)*value);
}

static void add_time(char *url, size_t size, const char *name, long long ms, bool as_text)
{
    char text[64], day[40];
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;
    if (as_text) {
        CHECK(gmtime_r(&seconds, &t));
        CHECK(strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &t) > 0);
        snprintf(text, sizeof text, "%s.%03lldZ", day, ms % 1000);
    } else {
        snprintf(text, sizeof text, "%lld", ms);
    }
    add_text(url, size, name, text);
}

/* Walks all pages and compares what they show with the runs in `all` that are meant. */
static void check_question(const question *q, unsigned limit)
{
    static seen got[RUNS_MAX];
    char next[ID_LEN + 1] = "", url[1024];
    size_t count = 0, expected = 0, pages = 0;
    do {
        snprintf(url, sizeof url, "/_sw/runs?limit=%u", limit);
        if (q->endpoint) add_text(url, sizeof url, "endpoint", q->endpoint);
        if (q->state) add_text(url, sizeof url, "state", q->state);
        if (q->version) add_text(url, sizeof url, "version", q->version);
        if (q->error) add_text(url, sizeof url, "error", q->error);
        if (q->label) {
            char label[32];
            snprintf(label, sizeof label, "which:%s", q->label);
            add_text(url, sizeof url, "label", label);
        }
        if (q->id[0]) add_text(url, sizeof url, "id", q->id);
        if (q->after[0]) add_text(url, sizeof url, "after", q->after);
        if (next[0] || q->before[0]) add_text(url, sizeof url, "before", next[0] ? next : q->before);
        if (q->from_ms) add_time(url, sizeof url, "from", q->from_ms, q->as_text);
        if (q->to_ms) add_time(url, sizeof url, "to", q->to_ms, q->as_text);
        call(NULL, server_url(url), NULL, NULL, 0, &a);
        size_t n = page_read(got, count, next);
        CHECK(n <= limit);
        count += n;
        CHECK(++pages < RUNS_MAX + 2);
    } while (next[0]);
    for (size_t i = 0; i < all_count; i++) {
        if (!is_meant(q, &all[i])) continue;
        if (expected >= count || strcmp(got[expected].id, all[i].id) != 0)
            printf("# %s: number %zu should be %s, is %s\n", url, expected, all[i].id,
                   expected < count ? got[expected].id : "missing");
        CHECK(expected < count);
        CHECK_STR(got[expected].id, all[i].id);
        CHECK_STR(got[expected].state, all[i].state);
        expected++;
    }
    if (count != expected) printf("# %s: %s is not meant\n", url, got[expected].id);
    CHECK_INT(count, expected);
}

static const char *one_of(const char *const *list, unsigned count) { return list[roll(count)]; }

static void ask_anything(void)
{
    static const char *const endpoints[] = {"GET /ok", "GET /ok/:which", "GET /bad", "GET /held", "GET /none"};
    static const char *const states[] = {
        "succeeded", "failed",         "running",    "sleeping",          "stopped",
        "cancelled", "failed,stopped", "unreadable", "running,succeeded", "cancelled,failed,sleeping"};
    static const char *const errors[] = {"card",     "LOST", "4711",     "away", "nothing like it",
                                         "declined", "key=", "reDacted]"};
    question q = {.as_text = roll(2)};
    const seen *some = &all[roll((unsigned)all_count)], *other = &all[roll((unsigned)all_count)];
    if (roll(3) == 0) q.endpoint = one_of(endpoints, 5);
    if (roll(2) == 0) q.state = one_of(states, 10);
    if (roll(4) == 0) q.version = roll(2) ? "1.0" : "2.0";
    if (roll(4) == 0) q.error = one_of(errors, 8);
    if (roll(4) == 0) q.label = one_of((const char *const[]){"1", "2", "3", "[redacted]"}, 4);
    if (roll(5) == 0) snprintf(q.id, sizeof q.id, "%.*s", 1 + (int)roll(ID_LEN), some->id);
    if (roll(5) == 0) q.from_ms = ms_of(some->id);
    if (roll(5) == 0) q.to_ms = ms_of(other->id);
    if (roll(6) == 0) strcpy(q.after, some->id);
    if (roll(6) == 0) strcpy(q.before, other->id);
    for (char *at = q.id; *at; at++)
        if (roll(2)) *at = (char)tolower((unsigned char)*at);
    check_question(&q, roll(2) ? 500 : 1 + roll(12));
}

/* ---- The test ---- */

static void begin(const char *path)
{
    call(NULL, server_url(path), (const char *const[]){"Prefer: respond-async", NULL}, NULL, 0, &a);
    CHECK_INT(a.status, 202);
}

static bool is_waited_for(const seen *s)
{
    bool nap = strcmp(s->endpoint, "GET /nap") == 0 && strcmp(s->state, "sleeping") != 0;
    bool held = strcmp(s->endpoint, "GET /held") == 0, stop = strcmp(s->endpoint, "GET /stop") == 0;
    if (held || strcmp(s->state, "cancelled") == 0) return false;
    return nap || (stop && strcmp(s->state, "stopped") != 0) || (!stop && strcmp(s->state, "running") == 0);
}

/* Waits until every run stands where it will stay. */
static void settle(void)
{
    for (bool waits = true; waits;) {
        look_at_all();
        waits = false;
        for (size_t i = 0; i < all_count; i++) waits = waits || is_waited_for(&all[i]);
        if (waits) usleep(5000);
    }
}

static void cancel_some(void)
{
    char url[64];
    settle();
    for (size_t i = 0; i < all_count; i += 3) {
        if (strcmp(all[i].endpoint, "GET /nap") != 0) continue;
        snprintf(url, sizeof url, "/_sw/runs/%s", all[i].id);
        call("DELETE", server_url(url), NULL, NULL, 0, &a);
        CHECK(a.status == 202 || a.status == 200);
        for (bool is = false; !is;) {
            look_at_all();
            is = strcmp(all[i].state, "cancelled") == 0;
            if (!is) usleep(2000);
        }
    }
    settle();
}

/* ---- Counts ---- */

static long long number_of(const char *from, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(from, key), *end = strstr(from, "\"lastHour\"");
    return at && (!end || at < end) ? atoll(at + strlen(key)) : -1;
}

static long long count_of(const char *endpoint, const char *states)
{
    long long n = 0;
    for (size_t i = 0; i < all_count; i++) n += strcmp(all[i].endpoint, endpoint) == 0 && names(states, all[i].state);
    return n;
}

static bool counts_are(const char *endpoint)
{
    char key[64];
    snprintf(key, sizeof key, "{\"endpoint\":\"%s\",\"kind\":\"durable\"", endpoint);
    const char *at = strstr(a.body, key);
    CHECK(at);
    return number_of(at, "running") == count_of(endpoint, "running,sleeping") &&
           number_of(at, "stoppedRuns") == count_of(endpoint, "stopped") &&
           number_of(at, "succeeded") == count_of(endpoint, "succeeded") &&
           number_of(at, "failed") == count_of(endpoint, "failed") &&
           number_of(at, "cancelled") == count_of(endpoint, "cancelled");
}

/* The index is behind by a second; after that the counts are those of the list. */
static void check_endpoints(bool has_served)
{
    static const char *const endpoints[] = {"GET /ok",   "GET /ok/:which", "GET /bad", "GET /worse",
                                            "GET /held", "GET /nap",       "GET /stop"};
    for (bool done = false; !done; usleep(20000)) {
        call(NULL, server_url("/_sw/endpoints"), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 200);
        done = strstr(a.body, "\"counted\":true") != NULL;
        for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) done = counts_are(endpoints[i]) && done;
    }
    const char *ok = strstr(a.body, "\"endpoint\":\"GET /ok\"");
    CHECK(ok && strstr(ok, "\"versions\":[\"1.0\"]") && strstr(a.body, "\"onExhausted\":\"stop\""));
    CHECK(!has_served || strstr(ok, "\"p99Ms\":"));
}

static void check_errors(void)
{
    char expected[256];
    call(NULL, server_url("/_sw/errors"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    const char *bad =
        strstr(a.body, "{\"endpoint\":\"GET /bad\",\"step\":\"refuse\",\"error\":\"Card # was declined\"");
    CHECK(bad);
    snprintf(expected, sizeof expected, "\"runs\":%lld,\"example\":\"", count_of("GET /bad", "failed"));
    CHECK(strncmp(strstr(bad, "\"runs\":"), expected, strlen(expected)) == 0);
    snprintf(expected, sizeof expected, "],\"runs\":%lld}",
             count_of("GET /bad", "failed") + count_of("GET /worse", "failed"));
    CHECK(strstr(a.body, expected));
    call(NULL, server_url("/_sw/errors?endpoint=GET%20/worse&limit=1"), NULL, NULL, 0, &a);
    CHECK(strstr(a.body, "card # was LOST") && !strstr(a.body, "declined") && !strstr(a.body, "\"more\""));
    call(NULL, server_url("/_sw/errors?limit=1"), NULL, NULL, 0, &a);
    CHECK(strstr(a.body, "\"more\":true"));
    call(NULL, server_url("/_sw/errors?to=1000"), NULL, NULL, 0, &a);
    CHECK_STR(a.body, "{\"errors\":[],\"runs\":0}\n");
}

/* ---- Groups of errors ---- */

typedef struct group {
    char step[128], kind[128]; /* as JSON has them, without quotes; step "": none */
    long long runs;
} group;

static char *put_byte(char *to, unsigned byte)
{
    *to++ = (char)byte;
    return to;
}

/* What the JSON string means, of which only ASCII is escaped. */
static const char *plain(const char *json, char out[128])
{
    char *to = out;
    for (unsigned code; *json; json++) {
        CHECK(to - out < 127);
        if (*json != '\\') {
            to = put_byte(to, (unsigned char)*json);
        } else if (*++json == 'u') {
            CHECK(sscanf(json + 1, "%4x", &code) == 1 && code < 128);
            to = put_byte(to, code);
            json += 4;
        } else {
            to = put_byte(to, *json == 'n' ? '\n' : (unsigned char)*json);
        }
    }
    *to = 0;
    return out;
}

static size_t groups_read(group *to, size_t max)
{
    size_t n = 0;
    call(NULL, server_url("/_sw/errors?limit=500"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    for (const char *at = a.body; (at = strstr(at, "{\"endpoint\":")); at++, n++) {
        CHECK(n < max);
        member(at, "step", to[n].step, sizeof to[n].step);
        member(at, "error", to[n].kind, sizeof to[n].kind);
        const char *runs = strstr(at, ",\"runs\":");
        CHECK(runs);
        to[n].runs = atoll(runs + 8);
    }
    return n;
}

static bool is_listed(const char *id, const seen *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].id, id) == 0) return true;
    return false;
}

/* The runs of the group, by its step and its kind, are as many as it says, and none of them is in `before`. */
static size_t check_group(const group *g, seen *before, size_t count)
{
    char url[1024] = "/_sw/runs?limit=500", text[128], next[ID_LEN + 1];
    add_text(url, sizeof url, "step", plain(g->step, text));
    add_text(url, sizeof url, "kind", plain(g->kind, text));
    add_text(url, sizeof url, "state", "failed,running");
    call(NULL, server_url(url), NULL, NULL, 0, &a);
    size_t n = page_read(before, count, next);
    if ((long long)n != g->runs) printf("# %s: %zu, not %lld\n", url, n, g->runs);
    CHECK_INT(n, g->runs);
    for (size_t i = 0; i < n; i++) CHECK(!is_listed(before[count + i].id, before, count));
    return n;
}

static void test_groups(void)
{
    static group groups[ODD_MESSAGES * ODD_STEPS];
    static seen found[RUNS_MAX];
    char data[128], path[32], next[ID_LEN + 1];
    snprintf(data, sizeof data, "%s/groups", root);
    served_start(&server, (const char *const[]){"--data", data, "--dev", NULL});
    for (unsigned i = 0; i < ODD_MESSAGES * ODD_STEPS * 2; i++) {
        snprintf(path, sizeof path, "/odd/%u", i);
        begin(path);
    }
    begin("/ok");
    settle();
    size_t count = 0, n = groups_read(groups, ODD_MESSAGES * ODD_STEPS);
    CHECK(n > ODD_MESSAGES * ODD_STEPS / 2 && n < ODD_MESSAGES * ODD_STEPS);
    for (size_t i = 0; i < n; i++) count += check_group(&groups[i], found, count);
    CHECK_INT(count, ODD_MESSAGES * ODD_STEPS * 2);
    call(NULL, server_url("/_sw/runs?kind=no&state=succeeded"), NULL, NULL, 0, &a);
    CHECK_INT(page_read(found, 0, next), 0);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

/* All runs of an endpoint that the program has lost stand still, in the counts as in the list. */
static void check_gone(void)
{
    long long stopped = 0;
    while (stopped == 0) {
        look_at_all();
        stopped = count_of("GET /nap", "stopped");
    }
    for (const char *at = NULL; !at; usleep(20000)) {
        call(NULL, server_url("/_sw/endpoints"), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 200);
        at = strstr(a.body, "\"counted\":true") ? strstr(a.body, "{\"endpoint\":\"GET /nap\",\"kind\":\"gone\"") : NULL;
        if (at) CHECK_INT(number_of(at, "running"), 0);
        if (at) CHECK_INT(number_of(at, "stoppedRuns"), stopped);
    }
}

static void check_process(void)
{
    call(NULL, server_url("/_sw/process"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, "\"loops\":[{\"runs\":") && number_of(a.body, "connections") >= 0 &&
          strstr(a.body, "\"journal\":{\"commits\":"));
    CHECK(number_of(a.body, "residentBytes") > 1000000 && number_of(a.body, "openFiles") > 3);
    CHECK(strstr(a.body, "\"endedByRuns\":0,"));
    CHECK(number_of(a.body, "startedAt") > 1700000000000 && number_of(a.body, "commits") > 0);
}

static void test_filters(void)
{
    static const char *const paths[] = {"/ok", "/ok/1", "/ok/2", "/bad", "/worse", "/held", "/nap", "/stop"};
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data, "--dev", "--loops", "2", "--park-after", "0", NULL};
    served_start(&server, flags);
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned k = 0; k < 4; k++) begin(paths[roll(8)]);
        if (i % 8 == 0) usleep(3000);
    }
    cancel_some();
    for (unsigned i = 0; i < QUESTIONS; i++) ask_anything();
    check_endpoints(true);
    check_errors();
    check_process();
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    served_start(&server, flags);
    settle();
    check_endpoints(false);
    check_errors();
    for (unsigned i = 0; i < QUESTIONS; i++) ask_anything();
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--redact", "json:which,query:key", NULL});
    settle();
    for (unsigned i = 0; i < QUESTIONS; i++) ask_anything();
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK_INT(setenv("FILTERS_WITHOUT_NAP", "1", 1), 0);
    served_start(&server, flags);
    check_gone();
    CHECK_INT(unsetenv("FILTERS_WITHOUT_NAP"), 0);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

static void check_refused(const char *query, const char *why)
{
    char url[256];
    snprintf(url, sizeof url, "/_sw/runs?%s", query);
    call(NULL, server_url(url), NULL, NULL, 0, &a);
    if (a.status != 400 || !strstr(a.body, why)) printf("# %s: %d %s\n", query, (int)a.status, a.body);
    CHECK_INT(a.status, 400);
    CHECK(strstr(a.body, why));
}

static void check_errors_refused(void)
{
    call(NULL, server_url("/_sw/errors?state=failed"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 400);
    CHECK(strstr(a.body, "no parameter \\\"state\\\""));
    call(NULL, server_url("/_sw/errors?limit=501"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 400);
}

static void test_refusals(void)
{
    char data[128];
    snprintf(data, sizeof data, "%s/refusals", root);
    served_start(&server, (const char *const[]){"--data", data, "--dev", NULL});
    check_refused("endpoints=1", "takes no parameter \\\"endpoints\\\"");
    check_refused("%73tate=failed", "takes no parameter");
    check_refused("STATE=failed", "takes no parameter");
    check_refused("state=", "\\\"state\\\"");
    check_refused("state=failed,", "\\\"state\\\"");
    check_refused("state=ended", "\\\"state\\\"");
    check_refused("state=FAILED", "\\\"state\\\"");
    check_refused("state=failed&state=failed", "once");
    check_refused("endpoint=", "\\\"endpoint\\\"");
    check_refused("label=", "\\\"label\\\"");
    check_refused("label=topic", "\\\"label\\\"");
    check_refused("label=:bees", "\\\"label\\\"");
    check_refused("version=", "\\\"version\\\"");
    check_refused("error=", "\\\"error\\\"");
    check_refused("kind=123456789012345678901234567890123456789012345678901234567890123456789012345678901",
                  "\\\"kind\\\"");
    check_refused("limit=0", "\\\"limit\\\"");
    check_refused("limit=501", "\\\"limit\\\"");
    check_refused("limit=-1", "\\\"limit\\\"");
    check_refused("limit=1x", "\\\"limit\\\"");
    check_refused("before=1", "\\\"before\\\"");
    check_refused("after=", "\\\"after\\\"");
    check_refused("id=", "\\\"id\\\"");
    check_refused("id=U", "\\\"id\\\"");
    check_refused("id=8", "\\\"id\\\"");
    check_refused("id=000000000000000000000000000", "\\\"id\\\"");
    static const char *const times[] = {"",
                                        "now",
                                        "-1",
                                        "1e3",
                                        "9999999999999999",
                                        "2026-11-27",
                                        "2026-11-27T15:42Z",
                                        "2026-13-27T15:42:53Z",
                                        "2026-02-29T15:42:53Z",
                                        "2026-11-27T24:42:53Z",
                                        "2026-11-27T15:42:53",
                                        "2026-11-27T15:42:53.Z",
                                        "2026-11-27T15:42:53%2b0100",
                                        "1969-12-31T23:59:59Z"};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char query[64];
        snprintf(query, sizeof query, "from=%s", times[i]);
        check_refused(query, "\\\"from\\\"");
        snprintf(query, sizeof query, "to=%s", times[i]);
        check_refused(query, "\\\"to\\\"");
    }
    check_errors_refused();
    call(NULL, server_url("/_sw/runs?from=2024-02-29T23:59:60.5%2b01:00&to=2024-02-28T00:00:00Z"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "{\"runs\":[]}\n");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"filters find what a plain look finds", test_filters},
                                   {"a group of errors is what its step and kind find", test_groups},
                                   {"what is no filter is refused", test_refusals}};

SERVED_MAIN(serve, NULL, cases)
