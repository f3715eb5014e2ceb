/* What a proof concludes from what executions told, for what no right program or library shows: a finished step that
 * runs again, answers that differ in each of their parts. And which recorded call stands for which. */
#include <string.h>

#include "runtime/probe/call_fact.h"
#include "runtime/prove/verdict.h"
#include "tests/harness/check.h"

enum { FACTS_MAX = 8, ENTRIES_MAX = 8, STEP = 77 };

/* An execution that told this much. */
typedef struct told {
    fact facts[FACTS_MAX];
    entry entries[ENTRIES_MAX];
    size_t ends[ENTRIES_MAX];
    executed_run run;
    disk_run on_disk;
    execution x;
} told;

static void tell(told *t, fact f) { t->facts[t->x.fact_count++] = f; }

static void record(told *t, entry e)
{
    size_t n = t->run.entry_count++;
    t->x.entry_count++;
    t->entries[n] = e;
    t->ends[n] = 10 * (n + 1);
    if (e.kind == ENTRY_RESPONSE) t->run.response = &t->entries[n];
    if (e.kind == ENTRY_ENDED) t->run.ended = &t->entries[n];
    if (e.kind == ENTRY_CANCEL) t->run.cancelled = &t->entries[n];
}

static const entry response = {
    .kind = ENTRY_RESPONSE, .status = 200, .headers = {"\x90", 1}, .body = {"{\"a\":{\"b\":[1,2]}}", 17}};

/* A run of one step: *started*, *step done*, its end with this response. */
static void run_of_one_step(told *t, const entry *answer)
{
    *t = (told){.x = {.fact_count = 0}};
    t->x.facts = t->facts;
    t->x.runs = &t->run;
    t->x.run_count = 1;
    t->run.entries = t->entries;
    t->run.ends = t->ends;
    tell(t,
         (fact){.kind = FACT_STEP, .path = STEP, .hash = 1, .id = entry_text_of("save"), .label = entry_text_of("")});
    record(t, (entry){.kind = ENTRY_STARTED});
    record(t, (entry){.kind = ENTRY_STEP_DONE, .path = STEP});
    record(t, *answer);
    record(t, (entry){.kind = ENTRY_ENDED});
}

static const fact attempt = {.kind = FACT_ATTEMPT, .path = STEP, .attempt = 1, .id = {"save", 4}, .label = {"", 0}};

static told first, other;
static verdict v;
static tape t;

/* Compares `other`, which had `entries` of its entries on disk when it began, with `first`. */
static void compare(size_t entries)
{
    verdict_init(&v);
    CHECK(tape_add(&t, first.x.facts, first.x.fact_count));
    other.on_disk = (disk_run){.lineage = LINEAGE_ROOT, .len = entries ? other.ends[entries - 1] : 0};
    const disk d = {.runs = &other.on_disk, .run_count = 1};
    const crash_point p = {.number = 3, .disk = &d};
    v.first = &first.x;
    verdict_look(&v, &other.x, 3);
    verdict_compare(&v, &first.x, &t, &other.x, &p);
    tape_free(&t);
}

static void expect_difference(const char *what)
{
    CHECK_INT(v.points, 1);
    CHECK_INT(v.points_same, 0);
    CHECK(v.findings && !v.findings->next);
    CHECK_INT(v.findings->kind, FINDING_DIFFERS);
    CHECK_INT(v.findings->crash, 3);
    CHECK_STR(v.findings->who, "handler");
    CHECK_STR(v.findings->what, what);
    verdict_free(&v);
}

static void test_once(void)
{
    run_of_one_step(&first, &response);
    run_of_one_step(&other, &response);
    tell(&other, attempt);
    compare(1); /* its result was not on disk */
    CHECK_INT(v.points_same, 1);
    CHECK_INT(v.points_once, 1);
    CHECK(!v.findings);
    verdict_free(&v);
    compare(2);
    CHECK_INT(v.points_same, 1);
    CHECK_INT(v.points_once, 0);
    CHECK(v.findings && v.findings->kind == FINDING_TWICE);
    CHECK_STR(v.findings->who, "save");
    verdict_free(&v);
}

/* A step that failed for good is finished, one that is to be tried again is not. */
static void test_failed_step(void)
{
    run_of_one_step(&first, &response);
    run_of_one_step(&other, &response);
    tell(&other, attempt);
    other.entries[1] = (entry){.kind = ENTRY_STEP_FAILED, .path = STEP, .due_ms = 5};
    compare(2);
    CHECK_INT(v.points_once, 1);
    verdict_free(&v);
    other.entries[1].due_ms = 0;
    compare(2);
    CHECK_INT(v.points_once, 0);
    verdict_free(&v);
}

static void test_answers(void)
{
    entry changed = response;
    run_of_one_step(&first, &response);
    changed.status = 500;
    run_of_one_step(&other, &changed);
    compare(1);
    expect_difference("the answer is 500, and was 200");
    changed = response;
    changed.headers = (entry_text){"\x92\xa1"
                                   "a\xa1"
                                   "b",
                                   5};
    run_of_one_step(&other, &changed);
    compare(1);
    expect_difference("the answer's headers");
    changed = response;
    changed.body = entry_text_of("{\"a\":{\"b\":[1,3]}}");
    run_of_one_step(&other, &changed);
    compare(1);
    expect_difference("the answer's body (.a.b[1])");
    changed.body = entry_text_of("no JSON");
    run_of_one_step(&other, &changed);
    compare(1);
    expect_difference("the answer's body");
}

/* Chunks of steps are the steps' own, those of the handler are not; branches stream in any order. */
static void test_chunks(void)
{
    const entry a = {.kind = ENTRY_CHUNK, .path = 5, .value = {"\x01", 1}},
                b = {.kind = ENTRY_CHUNK, .path = 6, .value = {"\x02", 1}},
                of_step = {.kind = ENTRY_CHUNK, .path = STEP, .id = {"save", 4}, .value = {"\x03", 1}};
    run_of_one_step(&first, &response);
    run_of_one_step(&other, &response);
    record(&first, a);
    record(&first, b);
    record(&other, b);
    record(&other, of_step);
    record(&other, a);
    compare(1);
    CHECK_INT(v.points_same, 1);
    verdict_free(&v);
    other.entries[4].value.data = "\x07";
    compare(1);
    expect_difference("what it streams");
}

/* What is said outside steps is the handler's own; of statuses not all are in the journal. */
static void test_remarks(void)
{
    const entry label = {.kind = ENTRY_LABEL, .path = 5, .id = {"a", 1}, .value = {"x", 1}},
                usage = {.kind = ENTRY_USAGE, .path = 6, .id = {"m", 1}, .used = {1, 2, 3}},
                status = {.kind = ENTRY_STATUS, .path = 7, .value = {"\x01", 1}},
                of_step = {.kind = ENTRY_USAGE, .path = STEP, .attempt = 1, .used = {7}};
    run_of_one_step(&first, &response);
    run_of_one_step(&other, &response);
    record(&first, label);
    record(&first, usage);
    record(&other, usage);
    record(&other, status);
    record(&other, of_step);
    record(&other, label);
    compare(1);
    CHECK_INT(v.points_same, 1);
    verdict_free(&v);
    for (unsigned i = 0; i < 3; i++) {
        run_of_one_step(&other, &response);
        record(&other, label);
        record(&other, usage);
        entry *last = &other.entries[other.run.entry_count - 1];
        if (i == 0) last->used[ENTRY_UNITS]++;
        if (i == 1) last[-1].value.data = "y";
        if (i == 2) last[-1].id.data = "b";
        compare(1);
        expect_difference("what it says of itself (sw_label, sw_usage)");
    }
}

static void test_steps(void)
{
    run_of_one_step(&first, &response);
    run_of_one_step(&other, &response);
    other.facts[0].path++;
    other.facts[0].id = entry_text_of("store");
    compare(1);
    expect_difference("it comes to step \"store\", which the first run did not have");
    other.x.fact_count = 0;
    compare(1);
    expect_difference("it does not come to step \"save\", which the first run had");
    run_of_one_step(&other, &response);
    other.facts[0].hash++;
    first.facts[0].data = (entry_text){"\x81\xa1x\x01", 4};
    other.facts[0].data = (entry_text){"\x81\xa1x\x02", 4};
    compare(1);
    expect_difference("the input of step \"save\" (.x)");
    record(&other, (entry){.kind = ENTRY_CANCEL});
    other.x.fact_count = 0;
    compare(1);
    CHECK_INT(v.points_same, 1); /* a run that is over its deadline does not call its handler */
    verdict_free(&v);
}

/* ---- Runs that are called ---- */

enum { CHILD = 99 };

/* An execution whose run has called another one, of the function "ship", which has come to this answer. */
typedef struct family {
    told root, child;
    executed_run runs[2];
    execution x;
} family;

static void family_make(family *f, const entry *answer)
{
    entry started = {.kind = ENTRY_STARTED, .function = entry_text_of("ship")};
    run_of_one_step(&f->root, &response);
    f->child = (told){.run = {.lineage = CHILD, .caller = LINEAGE_ROOT}};
    f->child.run.entries = f->child.entries;
    f->child.run.ends = f->child.ends;
    record(&f->child, started);
    record(&f->child, *answer);
    record(&f->child, (entry){.kind = ENTRY_ENDED});
}

static const execution *family_of(family *f, size_t run_count)
{
    f->runs[0] = f->root.run;
    f->runs[1] = f->child.run;
    f->x = f->root.x;
    f->x.runs = f->runs;
    f->x.run_count = run_count;
    f->x.entry_count = f->runs[0].entry_count + f->runs[1].entry_count;
    return &f->x;
}

static family was, is;

/* Compares `is`, of which so many runs are there, with `was`. */
static void compare_families(size_t run_count)
{
    const execution *before = family_of(&was, 2), *x = family_of(&is, run_count);
    const disk_run on_disk = {.lineage = LINEAGE_ROOT, .len = 10};
    const disk d = {.runs = &on_disk, .run_count = 1};
    verdict_init(&v);
    CHECK(tape_add(&t, before->facts, before->fact_count));
    v.first = before;
    verdict_look(&v, x, 3);
    verdict_compare(&v, before, &t, x, &(crash_point){.number = 3, .disk = &d});
    tape_free(&t);
}

static void test_runs_are_called(void)
{
    entry other_answer = response;
    other_answer.status = 500;
    family_make(&was, &response);
    family_make(&is, &response);
    compare_families(2);
    CHECK_INT(v.points_same, 1);
    CHECK(!v.findings);
    verdict_free(&v);
    compare_families(1);
    expect_difference("no run of \"ship\" is called that the first run called");
    family_make(&is, &other_answer);
    compare_families(2);
    CHECK_STR(v.findings->who, "ship");
    CHECK_STR(v.findings->what, "the answer is 500, and was 200");
    verdict_free(&v);
}

/* What becomes of a run that was given up nobody wants to know, nor of those that it has called. */
static void test_runs_are_lost(void)
{
    entry other_answer = response;
    other_answer.status = 410;
    family_make(&was, &response);
    family_make(&is, &other_answer);
    record(&is.child, (entry){.kind = ENTRY_CANCEL, .status = ENTRY_CANCEL_ASKED});
    compare_families(2);
    CHECK_INT(v.points_same, 1);
    CHECK(!v.findings);
    CHECK(verdict_has_lost(&was.x, &is.x, CHILD));
    CHECK(!verdict_has_lost(&was.x, &is.x, LINEAGE_ROOT));
    is.runs[0].lineage = CHILD; /* the one that it has called */
    is.runs[1].caller = CHILD;
    is.runs[1].lineage = CHILD + 1;
    is.runs[0].cancelled = is.runs[1].cancelled;
    is.runs[1].cancelled = NULL;
    CHECK(verdict_has_lost(&was.x, &is.x, CHILD + 1));
    verdict_free(&v);
    is.child.run.cancelled = NULL;
    is.child.entries[3].status = ENTRY_CANCEL_LATE; /* a deadline is the run's own */
    is.child.run.cancelled = &is.child.entries[3];
    compare_families(2);
    CHECK_INT(v.points_same, 0);
    verdict_free(&v);
}

static void test_runs_begin_once(void)
{
    family_make(&was, &response);
    family_make(&is, &response);
    record(&is.child, (entry){.kind = ENTRY_STARTED});
    compare_families(2);
    CHECK_INT(v.points_once, 0);
    CHECK_INT(v.findings->kind, FINDING_TWICE);
    CHECK_STR(v.findings->who, "ship");
    CHECK_STR(v.findings->what, "has begun again although it was on disk: please report this");
    verdict_free(&v);
}

/* ---- Which call stands for which ---- */

enum { CALLS = 4 };
static msgpack_sbuffer packed[16];
static size_t packed_count;

static fact call_of(uint64_t path, uint32_t attempt_number, uint32_t number, const char *method, const char *url)
{
    const char *const none[] = {NULL};
    msgpack_sbuffer *bytes = &packed[packed_count++];
    CHECK(packed_count <= sizeof packed / sizeof packed[0]);
    CHECK(call_asked_pack(bytes, &(call_asked){.method = method, .url = url, .headers = none, .key = ""}));
    return (fact){.kind = FACT_CALL,
                  .path = path,
                  .attempt = attempt_number,
                  .number = number,
                  .data = {bytes->data, bytes->size}};
}

static void test_calls(void)
{
    const fact calls[CALLS] = {call_of(1, 1, 1, "GET", "http://a/x?t=1"), call_of(1, 2, 1, "GET", "http://a/x?t=2"),
                               call_of(2, 1, 1, "POST", "http://a/y"), call_of(3, 1, 1, "POST", "http://a/y")};
    CHECK(tape_add(&t, calls, CALLS));
    const fact again = call_of(1, 2, 1, "GET", "http://a/x?t=9"), later = call_of(1, 4, 1, "GET", "http://a/x"),
               moved = call_of(9, 1, 1, "POST", "http://a/y"), other_method = call_of(1, 1, 1, "PUT", "http://a/x"),
               other_host = call_of(1, 1, 1, "GET", "http://b/x");
    CHECK(tape_call(&t, &again) == &calls[1]);
    CHECK(tape_call(&t, &later) == &calls[1]); /* the last attempt before */
    CHECK(tape_call(&t, &moved) == &calls[2]); /* of another step: in their order, each once */
    CHECK(tape_call(&t, &moved) == &calls[3]);
    CHECK(!tape_call(&t, &moved));
    CHECK(!tape_call(&t, &other_method));
    CHECK(!tape_call(&t, &other_host));
    tape_free(&t);
    for (size_t i = 0; i < packed_count; i++) msgpack_sbuffer_destroy(&packed[i]);
}

static const check_case cases[] = {{"a finished step that runs again is counted", test_once},
                                   {"a step is finished when it has failed for good", test_failed_step},
                                   {"answers are compared in all their parts", test_answers},
                                   {"chunks are compared outside steps", test_chunks},
                                   {"labels and usage are compared outside steps", test_remarks},
                                   {"steps are compared with their inputs", test_steps},
                                   {"runs that are called are compared, too", test_runs_are_called},
                                   {"runs that were given up are not", test_runs_are_lost},
                                   {"a run that begins twice is told", test_runs_begin_once},
                                   {"recorded calls are found by place, step and URL", test_calls}};
CHECK_MAIN(cases)
