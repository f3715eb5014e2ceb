/* why: each kind of wait has its sentence, which names what moves the run. */
#include "runtime/observe/why.h"

#include <string.h>

#include "runtime/run/slot.h"
#include "tests/harness/check.h"

enum { NOW = 1000000000, JOURNAL_MAX = 4096 };

/* ---- A case ---- */

static survey now;
static survey_strand strands[3];
static survey_call calls[2];
static msgpack_sbuffer journal;
static arena memory;
static why is;

static void begin(void)
{
    now = (survey){.now_ms = NOW, .is_recovered = true, .runs = 3, .runs_max = 20};
    memset(strands, 0, sizeof strands);
    memset(calls, 0, sizeof calls);
    journal.size = 0;
}

static void has_entry(entry e) { CHECK_INT(entry_encode(&journal, &e), 0); }

/* [-status, ["POST","api.example.com",status,"",80,512,retry_after_ms]]: as call_notes_pack writes it; -1: without
 * the last. */
static entry_text calls_asking(int status, int64_t retry_after_ms)
{
    static msgpack_sbuffer packed;
    msgpack_packer pk;
    packed.size = 0;
    msgpack_packer_init(&pk, &packed, msgpack_sbuffer_write);
    CHECK_INT(msgpack_pack_array(&pk, 2), 0);
    CHECK_INT(msgpack_pack_int(&pk, -status), 0);
    CHECK_INT(msgpack_pack_array(&pk, 6 + (retry_after_ms >= 0)), 0);
    CHECK_INT(msgpack_pack_str_with_body(&pk, "POST", 4), 0);
    CHECK_INT(msgpack_pack_str_with_body(&pk, "api.example.com", 15), 0);
    CHECK_INT(msgpack_pack_int(&pk, status), 0);
    CHECK_INT(msgpack_pack_str_with_body(&pk, "", 0), 0);
    CHECK_INT(msgpack_pack_int(&pk, 80), 0);
    CHECK_INT(msgpack_pack_int(&pk, 512), 0);
    if (retry_after_ms >= 0) CHECK_INT(msgpack_pack_int64(&pk, retry_after_ms), 0);
    return (entry_text){packed.data, packed.size};
}

static entry_text calls_of(int status) { return calls_asking(status, -1); }

static void has_failed(uint64_t path, const char *id, int64_t due_ms, entry_text made)
{
    has_entry((entry){.kind = ENTRY_STEP_FAILED,
                      .path = path,
                      .id = entry_text_of(id),
                      .attempt = 2,
                      .at_ms = NOW - 1000,
                      .due_ms = due_ms,
                      .error = entry_text_of("connect to 10.0.0.1:80: refused"),
                      .calls = made});
}

static void has_sleep(uint64_t path, const char *id, int64_t due_ms)
{
    has_entry(
        (entry){.kind = ENTRY_SLEEP, .path = path, .id = entry_text_of(id), .at_ms = NOW - 1000, .due_ms = due_ms});
}

/* Strand number `i` is in a step. */
static survey_strand *has_strand(int i, survey_wait wait, const char *id, uint64_t path)
{
    survey_strand *s = &strands[i];
    *s = (survey_strand){.wait = wait, .id = id, .path = path, .attempt = 3, .next = now.strands};
    now.state = RUN_RUNNING;
    now.slot = SLOT_RUNNING;
    return now.strands = s;
}

static void tell(stop_reason stop, bool has_deadline)
{
    static fold f;
    arena_free(&memory);
    fold_read(&f, &memory, journal.data, journal.size);
    CHECK(!f.is_short);
    const why_case c = {
        .now = &now, .journal = &f, .parked = why_parked_step(&now, &f), .stop = stop, .has_deadline = has_deadline};
    why_tell(&c, &is);
}

static void check_told(const char *kind, const char *step, int64_t until_ms, const char *text)
{
    char named[128];
    tell(STOP_NONE, false);
    snprintf(named, sizeof named, "%.*s", (int)is.step.len, is.step.len > 0 ? is.step.data : "");
    CHECK_STR(is.text, text);
    CHECK_STR(is.kind, kind);
    CHECK_STR(named, step);
    CHECK_INT(is.until_ms, until_ms);
}

/* ---- In memory ---- */

static void test_attempts(void)
{
    begin();
    has_strand(0, SURVEY_WORK, "charge", 7)->since_ms = NOW - 3000;
    check_told("attempt", "charge", 0, "attempt 3 of charge is under way for 3 s");
    calls[0] = (survey_call){
        .method = entry_text_of("POST"), .host = entry_text_of("pay.example.com"), .since_ms = NOW - 2000};
    strands[0].calls = &calls[0];
    strands[0].wait = SURVEY_CALL;
    check_told("attempt", "charge", 0,
               "attempt 3 of charge is under way for 3 s: POST pay.example.com, no answer yet for 2 s");
    calls[0].answered = true;
    check_told("attempt", "charge", 0,
               "attempt 3 of charge is under way for 3 s: POST pay.example.com, its answer is arriving for 2 s");
    strands[0].calls = NULL;
    strands[0].wait = SURVEY_TURN;
    check_told("attempt", "charge", 0, "attempt 3 of charge is under way for 3 s: its code goes on");
}

/* The one that has been under way for longest is named, and before any that waits for a time. */
static void test_many(void)
{
    begin();
    has_strand(0, SURVEY_WORK, "b", 2)->since_ms = NOW - 10;
    has_strand(1, SURVEY_WORK, "a", 1)->since_ms = NOW - 20;
    has_strand(2, SURVEY_RETRY, "c", 3)->due_ms = NOW + 5000;
    check_told("attempt", "a", 0, "attempt 3 of a is under way for 20 ms; so is 1 more");
}

static void test_waits_in_memory(void)
{
    begin();
    has_failed(7, "search", NOW + 42000, calls_asking(429, 60000));
    has_strand(0, SURVEY_RETRY, "search", 7)->due_ms = NOW + 42000;
    check_told("retry", "search", NOW + 42000,
               "waits 42 s for attempt 3 of search (429 from api.example.com, Retry-After 60 s)");
    begin();
    has_failed(7, "search", NOW + 250, (entry_text){"", 0});
    has_strand(0, SURVEY_RETRY, "search", 7)->due_ms = NOW + 250;
    check_told("retry", "search", NOW + 250, "waits 250 ms for attempt 3 of search (connect to 10.0.0.1:80: refused)");
    has_strand(1, SURVEY_SLEEP, "night", 8)->due_ms = NOW + 200;
    check_told("sleep", "night", NOW + 200,
               "sleeps for another 200 ms, until 1970-01-12 13:46:40 UTC (night)"); /* comes first */
    now.deadline_ms = NOW + 100;
    check_told("deadline", "night", NOW + 100, "waits, and its deadline comes first: in 100 ms");
}

static void has_wait(uint64_t path, const char *id, int64_t due_ms)
{
    has_entry((entry){.kind = ENTRY_WAIT,
                      .path = path,
                      .id = entry_text_of(id),
                      .at_ms = NOW - 7200000,
                      .due_ms = due_ms,
                      .signal = entry_text_of("approve")});
}

/* A person or a time, whichever comes first: in memory, and parked. */
static void test_signal_or_sleep(void)
{
    static const char text[] = "sleeps for another 2 h, until 1970-01-12 15:46:40 UTC (patience), or until the signal "
                               "approve comes";
    for (int is_parked = 0; is_parked < 2; is_parked++) {
        begin();
        has_wait(7, "decision", 0);
        has_sleep(5, "patience", NOW + 7200000);
        if (is_parked) {
            now.slot = SLOT_PARKED;
            now.due_ms = NOW + 7200000;
            now.awaits = slot_awaits_path(5);
        } else {
            has_strand(0, SURVEY_SIGNAL, "decision", 7)->signal = "approve";
            has_strand(1, SURVEY_SLEEP, "patience", 5)->due_ms = NOW + 7200000;
        }
        check_told("sleep", "patience", NOW + 7200000, text);
        has_entry((entry){.kind = ENTRY_TIMED_OUT, .path = 7, .id = entry_text_of("decision"), .at_ms = NOW - 10});
        check_told("sleep", "patience", NOW + 7200000,
                   "sleeps for another 2 h, until 1970-01-12 15:46:40 UTC (patience)");
    }
}

/* In memory, parked here, and parked by a former process: with a timeout, and without. */
static void test_signals(void)
{
    static const char endless[] = "waits for the signal approve since 2 h (decision)",
                      timed[] = "waits for the signal approve since 2 h, for another 60 min (decision)";
    for (int64_t due_ms = 0; due_ms <= NOW + 3600000; due_ms += NOW + 3600000) {
        const char *text = due_ms ? timed : endless;
        begin();
        has_wait(7, "decision", due_ms);
        survey_strand *s = has_strand(0, SURVEY_SIGNAL, "decision", 7);
        s->signal = "approve";
        s->due_ms = due_ms;
        check_told("signal", "decision", due_ms, text);
        CHECK(entry_text_is(is.signal, "approve"));
        begin();
        has_wait(7, "decision", due_ms);
        now.slot = SLOT_PARKED;
        now.due_ms = due_ms;
        now.awaits = slot_awaits_path(7);
        check_told("signal", "decision", due_ms, text);
        now.awaits = SLOT_AWAITS_UNKNOWN;
        check_told("signal", "decision", due_ms, text);
        has_entry((entry){.kind = ENTRY_TIMED_OUT, .path = 7, .id = entry_text_of("decision")});
        now.due_ms = NOW + 1000;
        check_told("sleep", "", NOW + 1000, "waits for another 1 s, until 1970-01-12 13:46:41 UTC");
    }
}

static void test_journal(void)
{
    begin();
    has_strand(0, SURVEY_COMMIT, "charge", 7);
    check_told("commit", "charge", 0, "waits until its journal is on disk, before it goes on with charge");
    strands[0].wait = SURVEY_CLOSED;
    check_told("journal", "charge", 0, "waits until the journal takes writes again, before it goes on with charge");
    strands[0].wait = SURVEY_FULL;
    check_told("journal", "charge", 0,
               "waits for room in the journal's queue (--journal-queue-max), before it goes on with charge");
    strands[0] = (survey_strand){.wait = SURVEY_FULL};
    check_told("journal", "", 0, "waits for room in the journal's queue (--journal-queue-max)");
    strands[0] = (survey_strand){.wait = SURVEY_RETURN}; /* of a call that the journal does not have yet */
    check_told("commit", "", 0, "waits until its journal is on disk");
}

static void test_code(void)
{
    begin();
    has_strand(0, SURVEY_TURN, NULL, 0);
    check_told("computing", "", 0, "its code is at work outside steps");
    now.strands = NULL; /* its first turn has not come */
    check_told("computing", "", 0, "its code is at work outside steps");
    has_strand(0, SURVEY_MEMBERS, NULL, 0);
    check_told("computing", "", 0, "members of a group are about to begin");
    has_strand(1, SURVEY_STACK, NULL, 0);
    check_told("stack", "", 0, "waits for room for the stack of a member of a group");
}

static void test_leaving(void)
{
    static const struct {
        run_state state;
        const char *kind, *text;
    } rows[] = {
        {RUN_STOPPING, "stopping", "is about to be stopped: attempt 3 of charge is still under way"},
        {RUN_LEAVING_STOPPED, "stopping", "is about to be stopped: attempt 3 of charge is still under way"},
        {RUN_CANCELLING, "cancelling",
         "is being cancelled, and its code has not let go yet: attempt 3 of charge is still under way"},
        {RUN_ENDING, "ending",
         "has its response, which is on its way to the disk: attempt 3 of charge is still under way"},
        {RUN_DRAINING, "draining",
         "the process ends, and the next one goes on with it: attempt 3 of charge is still under way"},
        {RUN_LOSING, "loading",
         "is loaded again, since an entry of it could not be made or written: attempt 3 of charge is still under way"},
        {RUN_LEAVING_LOST, "loading",
         "is loaded again, since an entry of it could not be made or written: attempt 3 of charge is still under way"},
        {RUN_PARKING, "leaving", "leaves memory to wait: attempt 3 of charge is still under way"},
        {RUN_LEAVING, "leaving", "leaves memory to wait: attempt 3 of charge is still under way"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin();
        has_strand(0, SURVEY_WORK, "charge", 7)->since_ms = NOW - 3000;
        now.state = rows[i].state;
        check_told(rows[i].kind, "charge", 0, rows[i].text);
    }
    now.strands = NULL;
    now.drains = true;
    check_told("leaving", "", 0, "leaves memory for the next process");
}

/* An attempt that waits for the journal waits for nothing else, whichever call of it is open. */
static void test_attempt_at_gate(void)
{
    static const char *const texts[] = {"waits until the journal takes writes again, before it goes on with write",
                                        "waits for room in the journal's queue (--journal-queue-max), before it goes "
                                        "on with write"};
    for (int full = 0; full < 2; full++) {
        begin();
        survey_strand *s = has_strand(0, full ? SURVEY_FULL : SURVEY_CLOSED, "write", 7);
        s->since_ms = NOW - 40000;
        calls[0] = (survey_call){
            .method = entry_text_of("POST"), .host = entry_text_of("api.x"), .since_ms = NOW - 39000, .answered = true};
        s->calls = &calls[0];
        check_told("journal", "write", 0, texts[full]);
    }
}

/* [[GET, hosts[i], statuses[i], "", 80, 512]..., -status] */
static entry_text calls_to(const char *const hosts[], const int statuses[], size_t count, int status)
{
    static msgpack_sbuffer packed;
    msgpack_packer pk;
    packed.size = 0;
    msgpack_packer_init(&pk, &packed, msgpack_sbuffer_write);
    CHECK_INT(msgpack_pack_array(&pk, count + 1), 0);
    CHECK_INT(msgpack_pack_int(&pk, -status), 0);
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(msgpack_pack_array(&pk, 6), 0);
        CHECK_INT(msgpack_pack_str_with_body(&pk, "GET", 3), 0);
        CHECK_INT(msgpack_pack_str_with_body(&pk, hosts[i], strlen(hosts[i])), 0);
        CHECK_INT(msgpack_pack_int(&pk, statuses[i]), 0);
        CHECK_INT(msgpack_pack_str_with_body(&pk, "", 0), 0);
        CHECK_INT(msgpack_pack_int(&pk, 80), 0);
        CHECK_INT(msgpack_pack_int(&pk, 512), 0);
    }
    return (entry_text){packed.data, packed.size};
}

/* The host that is named is the one that answered so last; if no call that is noted did, none is. */
static void test_causes(void)
{
    static const char *const hosts[] = {"cache.example", "api.example", "log.example"};
    static const int tolerated[] = {404, 404, 200}, others[] = {200, 503, 200};
    begin();
    now.slot = SLOT_PARKED;
    now.due_ms = NOW + 60000;
    now.awaits = slot_awaits_path(8);
    has_failed(8, "fetch", NOW + 60000, calls_to(hosts, tolerated, 3, 404));
    check_told("retry", "fetch", NOW + 60000, "waits 60 s for attempt 3 of fetch (404 from api.example)");
    journal.size = 0;
    has_failed(8, "fetch", NOW + 60000, calls_to(hosts, others, 3, 404));
    check_told("retry", "fetch", NOW + 60000, "waits 60 s for attempt 3 of fetch (connect to 10.0.0.1:80: refused)");
}

/* ---- Outside memory ---- */

/* The slot of a run that recovery has found has the time alone. */
static void test_recovered(void)
{
    begin();
    now.slot = SLOT_PARKED;
    now.due_ms = NOW + 7200000;
    has_sleep(5, "over", NOW - 500);
    has_sleep(6, "night", NOW + 7200000);
    has_failed(7, "search", NOW + 9000000, calls_of(503));
    check_told("sleep", "night", NOW + 7200000, "sleeps for another 2 h, until 1970-01-12 15:46:40 UTC (night)");
    has_failed(8, "fetch", NOW + 60000, calls_of(503));
    now.due_ms = NOW + 60000;
    check_told("retry", "fetch", NOW + 60000, "waits 60 s for attempt 3 of fetch (503 from api.example.com)");
    now.due_ms = NOW + 10000;
    tell(STOP_NONE, true);
    CHECK_STR(is.text, "waits, and its deadline comes first: in 10 s");
    CHECK_STR(is.kind, "deadline");
    CHECK_INT(is.until_ms, NOW + 10000);
    now.due_ms = NOW + 3600000; /* what its journal waits for at that time is not to be seen */
    check_told("sleep", "", NOW + 3600000, "waits for another 60 min, until 1970-01-12 14:46:40 UTC");
}

/* A run that this process has parked waits for what it says, whatever the clocks are set to, and whatever else its
 * journal has: a member of a group that was given up has an attempt that is never made. */
static void test_parked(void)
{
    for (int64_t set_ms = -10800000; set_ms <= 10800000; set_ms += 3600000) {
        begin();
        now.slot = SLOT_PARKED;
        now.now_ms += set_ms;
        now.due_ms = now.now_ms + 7200000;
        has_failed(8, "given up", NOW + 30000, calls_of(503));
        has_sleep(6, "night", NOW + 7200000);
        has_failed(7, "search", NOW + 9000000, calls_of(503));
        now.awaits = slot_awaits_path(6);
        tell(STOP_NONE, set_ms % 2 == 0);
        CHECK_STR(is.kind, "sleep");
        CHECK(is.path == 6 && strncmp(is.text, "sleeps for another 2 h, until ", 30) == 0);
        CHECK_INT(is.until_ms, now.due_ms);
        now.awaits = slot_awaits_path(7);
        check_told("retry", "search", now.due_ms, "waits 2 h for attempt 3 of search (503 from api.example.com)");
        now.awaits = SLOT_AWAITS_DEADLINE;
        check_told("deadline", "", now.due_ms, "waits, and its deadline comes first: in 2 h");
        now.due_ms = now.now_ms + 500;
        now.awaits = SLOT_AWAITS_ROOM;
        check_told("loading", "", now.due_ms, "is loaded again in 500 ms: there was no room for it");
        now.awaits = SLOT_AWAITS_LOAD;
        check_told("loading", "", now.due_ms,
                   "is loaded again in 500 ms, since an entry of it could not be made or written");
    }
}

/* Every path has its sign, which is none of the others. */
static void test_signs(void)
{
    for (uint64_t path = 0; path < 2000; path++)
        for (unsigned shift = 0; shift < 64; shift += 7) CHECK(slot_awaits_path(path << shift) >= SLOT_AWAITS_PATHS);
}

static void test_queues(void)
{
    begin();
    now.slot = SLOT_DUE;
    check_told("loading", "", 0, "is about to be loaded");
    now.loads_wait = true;
    check_told("loading", "", 0,
               "is about to be loaded, when others have come back, whose journals come first (--journal-load-max)");
    now.runs = 20;
    check_told("place", "", 0, "waits for a place: 20 of 20 runs are in memory (--runs-max)");
    now.before = 14;
    check_told("place", "", 0,
               "waits for a place: 20 of 20 runs are in memory (--runs-max), and 14 others come before it");
    now.slot = SLOT_GATED;
    check_told("journal", "", 0, "waits until the journal takes writes again");
    now.slot = SLOT_SUSPECT;
    check_told("others", "", 0, "the process may have died of it, nobody knows: such runs come back one at a time");
    now.slot = SLOT_BEHIND;
    check_told("others", "", 0, "the process has died again and again: runs come back in waves");
    now.has_crashed = true;
    check_told("others", "", 0, "the process has died of it: others come back first, then it, alone");
    static const slot_state loads[] = {SLOT_ASKED, SLOT_LOADING, SLOT_LOADING_PLACED, SLOT_UNKNOWN};
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        now.slot = loads[i];
        check_told("loading", "", 0, "its journal is being read");
    }
}

static void test_stopped(void)
{
    fold none;
    begin();
    fold_read(&none, &memory, "", 0);
    for (stop_reason reason = STOP_OPERATOR; reason < STOP_REASONS; reason++) {
        begin();
        now.slot = SLOT_STOPPED;
        now.stop = reason;
        tell(reason, false);
        CHECK_STR(is.kind, "stopped");
        CHECK(strstr(is.text, stop_name(reason)) && strstr(is.text, stop_text(reason)));
        CHECK(strstr(is.text, "; it "));
    }
    now.stop = STOP_CRASHES;
    why_tell(
        &(why_case){.now = &now,
                    .journal = &none,
                    .stop_text = entry_text_of("the server died 3 times in a row of this run, in step \"charge\"")},
        &is);
    CHECK_STR(is.text, "stopped (crashes): the server died 3 times in a row of this run, in step \"charge\"; "
                       "it goes on when somebody releases it");
    now.is_released = true;
    tell(STOP_CRASHES, false);
    CHECK(strstr(is.text, "; it is being released"));
    begin(); /* of a run that sleeps it is not known before it is due: the program says it */
    now.slot = SLOT_PARKED;
    tell(STOP_NO_ENDPOINT, false);
    CHECK_STR(is.kind, "stopped");
}

static void test_nowhere(void)
{
    begin();
    check_told("ending", "", 0, "has ended since its journal was read: ask again");
    now.is_recovered = false;
    check_told("loading", "", 0, "the process has not come to it yet: it reads which runs there are");
    now.drains = true;
    check_told("draining", "", 0, "the process ends, and the next one goes on with it");
    begin();
    now.slot = SLOT_ASKED;
    now.cancel = ENTRY_CANCEL_ASKED;
    check_told("cancelling", "", 0, "is to end, and is loaded for that");
}

/* Of a loop that is too busy to be asked nothing else is known. */
static void test_held(void)
{
    begin();
    now.held_ms = 180;
    now.holder = now.holder_step = "";
    check_told("computing", "", 0, "waits for its loop, which is busy since 180 ms");
    now.holder = "POST /orders run 00000000000000000000000000";
    now.holder_step = "crunch";
    check_told("computing", "", 0,
               "waits for its loop, which POST /orders run 00000000000000000000000000 keeps busy since 180 ms, in step "
               "crunch");
    now.is_held_by_it = true;
    check_told("computing", "", 0, "its code computes since 180 ms, in step crunch");
    now.holder_step = "";
    check_told("computing", "", 0, "its code computes since 180 ms");
}

/* However long what the journal has, the text is whole UTF-8 and fits. */
static void test_long(void)
{
    static char id[600], error[3000];
    for (size_t i = 0; i + 2 < sizeof id; i += 2) memcpy(id + i, "\xc3\xa9", 2);
    for (size_t i = 0; i + 3 < sizeof error; i += 3) memcpy(error + i, "\xe2\x82\xac", 3);
    begin();
    now.slot = SLOT_PARKED;
    now.due_ms = NOW + 5000;
    has_entry((entry){.kind = ENTRY_STEP_FAILED,
                      .path = 9,
                      .id = entry_text_of(id),
                      .attempt = 4000000000U,
                      .due_ms = NOW + 5000,
                      .error = entry_text_of(error)});
    tell(STOP_NONE, false);
    CHECK(strlen(is.text) < WHY_TEXT_MAX - 1);
    CHECK(strstr(is.text, "\xc3\xa9... (") && strstr(is.text, "\xe2\x82\xac...)"));
}

static const check_case cases[] = {{"an attempt under way is named, with its call", test_attempts},
                                   {"of many the oldest attempt is named", test_many},
                                   {"waits for a time are named, with what failed", test_waits_in_memory},
                                   {"waits for signals are named", test_signals},
                                   {"a sleep beside a wait names the signal", test_signal_or_sleep},
                                   {"waits for the journal are named", test_journal},
                                   {"so are those of attempts", test_attempt_at_gate},
                                   {"the host that refused is named, or none", test_causes},
                                   {"code at work is named", test_code},
                                   {"a run on its way out says whereto", test_leaving},
                                   {"a parked run says what its timer is for", test_parked},
                                   {"one that was not in memory says what it can", test_recovered},
                                   {"a step is no other reason", test_signs},
                                   {"queues are named", test_queues},
                                   {"stopped runs say why, and until when", test_stopped},
                                   {"what is nowhere is named", test_nowhere},
                                   {"a loop that is kept busy is named", test_held},
                                   {"long texts are cut between characters", test_long}};

int main(int argc, char **argv)
{
    msgpack_sbuffer_init(&journal);
    arena_init(&memory, NULL);
    return check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
