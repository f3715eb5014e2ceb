/* Entries and run ids: what is written is read back; what is damaged or not ours is refused. */
#include "storage/entry.h"
#include "storage/entry_order.h"
#include "storage/run_id.h"
#include "tests/harness/check.h"

static entry_text text(const char *s) { return (entry_text){s, strlen(s)}; }

static bool same(const entry_text *a, const entry_text *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_same(const entry *a, const entry *b)
{
    CHECK_INT(a->kind, b->kind);
    CHECK(a->path == b->path);
    CHECK_INT(a->occurrence, b->occurrence);
    CHECK_INT(a->attempt, b->attempt);
    CHECK_INT(a->asked, b->asked);
    CHECK_INT(a->at_ms, b->at_ms);
    CHECK_INT(a->duration_ms, b->duration_ms);
    CHECK_INT(a->due_ms, b->due_ms);
    CHECK_INT(a->fatal, b->fatal);
    CHECK_INT(a->answer, b->answer);
    CHECK(a->epoch == b->epoch);
    CHECK_INT(a->status, b->status);
    CHECK(same(&a->id, &b->id) && same(&a->error, &b->error) && same(&a->input, &b->input) &&
          same(&a->value, &b->value));
    CHECK(same(&a->function, &b->function) && same(&a->version, &b->version) && same(&a->method, &b->method));
    CHECK(same(&a->target, &b->target) && same(&a->owner, &b->owner) && same(&a->params, &b->params));
    CHECK(same(&a->headers, &b->headers) && same(&a->body, &b->body) && same(&a->more, &b->more));
    CHECK(same(&a->calls, &b->calls) && same(&a->causes, &b->causes) && same(&a->remarks, &b->remarks));
    CHECK(memcmp(a->used, b->used, sizeof a->used) == 0 && memcmp(a->used_sum, b->used_sum, sizeof a->used_sum) == 0);
    CHECK(a->branch == b->branch && a->input_hash == b->input_hash && a->input_bytes == b->input_bytes);
    CHECK_INT(a->began, b->began);
    CHECK(a->question == b->question);
    CHECK(same(&a->child, &b->child) && a->detached == b->detached && a->begins_ms == b->begins_ms);
    CHECK(a->winner == b->winner);
    CHECK_INT(a->member, b->member);
}

static char large[70000];

static size_t add_wait_samples(entry *out)
{
    size_t n = 0;
    out[n++] = (entry){.kind = ENTRY_WAIT,
                       .path = 90,
                       .id = text("approval"),
                       .occurrence = 2,
                       .at_ms = 17,
                       .due_ms = 18,
                       .branch = 91,
                       .began = 5,
                       .epoch = 3,
                       .absolute = true,
                       .signal = text("appr\xc3\xb6ve"),
                       .question = UINT64_MAX - 2};
    out[n++] = (entry){.kind = ENTRY_SIGNAL,
                       .signal = text("approve"),
                       .letter = text("0123456789abcdef"),
                       .value = {large, 70000},
                       .by = text("ann"),
                       .at_ms = 19};
    out[n++] = (entry){.kind = ENTRY_TAKEN,
                       .path = 90,
                       .id = text("approval"),
                       .occurrence = 2,
                       .at_ms = 20,
                       .branch = 91,
                       .began = 5,
                       .letter = text("0123456789abcdef"),
                       .question = 1ull << 40};
    out[n++] = (entry){.kind = ENTRY_TIMED_OUT,
                       .path = 92,
                       .id = text("reminder"),
                       .occurrence = 1,
                       .at_ms = 21,
                       .branch = 93,
                       .began = 6,
                       .question = 3};
    out[n++] = (entry){.kind = ENTRY_WON,
                       .path = 94,
                       .id = text("first"),
                       .occurrence = 3,
                       .at_ms = 22,
                       .branch = 95,
                       .began = 7,
                       .winner = UINT64_MAX - 3,
                       .member = 2,
                       .causes = text("0123456789abcdef")};
    out[n++] = (entry){.kind = ENTRY_ABANDONED,
                       .path = 96,
                       .id = text("slow"),
                       .occurrence = 1,
                       .attempt = 2,
                       .at_ms = 23,
                       .duration_ms = 70001,
                       .branch = 97,
                       .calls = text("\x90"),
                       .question = 98};
    return n;
}

static size_t add_sent_samples(entry *out)
{
    size_t n = 0;
    out[n++] = (entry){.kind = ENTRY_SENT,
                       .path = 94,
                       .id = text("tell"),
                       .occurrence = 4,
                       .at_ms = 22,
                       .branch = 95,
                       .began = 7,
                       .target = text("01M8G6J2Z9AYZX8S0J52W6Y074"),
                       .signal = text("done"),
                       .letter = text("0123456789abcdef"),
                       .value = text("\xc0"),
                       .answer = true};
    return n;
}

static size_t add_call_samples(entry *out)
{
    out[0] = (entry){.kind = ENTRY_CALLED,
                     .path = 94,
                     .id = text("ship"),
                     .occurrence = 3,
                     .attempt = 1,
                     .at_ms = 22,
                     .due_ms = 23,
                     .begins_ms = 24,
                     .duration_ms = 25,
                     .detached = true,
                     .branch = 95,
                     .began = 7,
                     .child = text("0123456789abcdef"),
                     .function = text("orders/ship"),
                     .input = {large, 300}};
    out[1] = (entry){.kind = ENTRY_RETURNED,
                     .path = 94,
                     .id = text("ship"),
                     .occurrence = 3,
                     .at_ms = 25,
                     .status = ENTRY_FAILED,
                     .branch = 95,
                     .began = 7,
                     .child = text("0123456789abcdef"),
                     .value = text("\xc0"),
                     .error = text("no")};
    return 2;
}

static size_t add_large_samples(entry *out)
{
    size_t n = 0;
    out[n++] = (entry){.kind = ENTRY_STARTED,
                       .at_ms = 1795000000000,
                       .function = text("GET /a/:b"),
                       .version = text("v2"),
                       .method = text("GET"),
                       .target = text("/a/c?d=%20"),
                       .owner = text("node"),
                       .epoch = UINT64_MAX,
                       .params = text("\x81\xa1"
                                      "b\xa1"
                                      "c"),
                       .headers = text("\x90"),
                       .body = {large, sizeof large},
                       .due_ms = INT64_MAX,
                       .more = text("\x80")};
    out[n++] = (entry){.kind = ENTRY_STEP_DONE,
                       .path = UINT64_MAX,
                       .id = text("pay"),
                       .occurrence = UINT32_MAX,
                       .attempt = 5,
                       .at_ms = 1,
                       .duration_ms = 70000,
                       .input = text("\xc0"),
                       .value = {"\x00\xff", 2},
                       .branch = 77,
                       .began = 3,
                       .input_hash = UINT64_MAX - 1,
                       .epoch = 12,
                       .calls = text("\x90"),
                       .input_bytes = UINT64_MAX};
    out[n++] = (entry){.kind = ENTRY_STEP_FAILED,
                       .path = 1,
                       .id = text("p\xc3\xa9"),
                       .attempt = 1,
                       .at_ms = -1,
                       .duration_ms = 2,
                       .error = text("no"),
                       .fatal = true,
                       .due_ms = 99,
                       .branch = UINT64_MAX,
                       .began = UINT32_MAX,
                       .input_hash = 5,
                       .epoch = 1,
                       .calls = {large, ENTRY_CALLS_MAX}};
    out[n++] = (entry){.kind = ENTRY_SLEEP,
                       .path = 2,
                       .id = text("nap"),
                       .occurrence = 128,
                       .at_ms = INT64_MIN,
                       .due_ms = 65536,
                       .branch = 78,
                       .began = 4,
                       .epoch = 2};
    n += add_sent_samples(out + n);
    return n + add_wait_samples(out + n);
}

static size_t add_small_samples(entry *out)
{
    size_t n = 0;
    out[n++] = (entry){
        .kind = ENTRY_VALUE, .path = 3, .id = text("sw_now"), .occurrence = 7, .at_ms = 8, .value = text("\x01")};
    out[n++] = (entry){.kind = ENTRY_CHUNK, .path = 0, .id = text(""), .at_ms = 9, .value = {large, 300}};
    out[n++] = (entry){.kind = ENTRY_RESPONSE,
                       .at_ms = 5,
                       .status = 599,
                       .headers = text("\x92\xa1"
                                       "a\xa1"
                                       "b"),
                       .body = text("hello")};
    out[n++] = (entry){.kind = ENTRY_ENDED,
                       .at_ms = 6,
                       .status = ENTRY_FAILED,
                       .error = text("why"),
                       .causes = text("12345678"),
                       .remarks = text("remarks"),
                       .value = text("result")};
    out[n++] = (entry){.kind = ENTRY_ROLLBACK, .path = 4, .id = text("s"), .occurrence = 1, .at_ms = 10};
    out[n++] = (entry){.kind = ENTRY_CANCEL, .at_ms = 11, .status = ENTRY_CANCEL_LATE, .error = text("late")};
    out[n++] = (entry){.kind = ENTRY_STOPPED,
                       .at_ms = 12,
                       .status = ENTRY_STOP_CRASHES,
                       .error = text("three times"),
                       .path = 80,
                       .epoch = 7,
                       .by = text("ann")};
    out[n++] = (entry){.kind = ENTRY_RELEASED, .at_ms = 13, .error = text("administrator"), .epoch = 8};
    out[n++] = (entry){.kind = ENTRY_REOPENED,
                       .at_ms = 15,
                       .attempt = UINT32_MAX,
                       .due_ms = INT64_MAX,
                       .error = text("operator"),
                       .causes = text("1234567812345678"),
                       .epoch = 9,
                       .asked = 4};
    out[n++] = (entry){.kind = ENTRY_CRASHED,
                       .path = 81,
                       .id = text("charge"),
                       .attempt = 2,
                       .status = 11,
                       .at_ms = 14,
                       .epoch = UINT64_MAX};
    out[n++] = (entry){.kind = ENTRY_BRANCH, .path = 5, .branch = 79, .id = text("twig"), .occurrence = 2, .began = 17};
    out[n++] = (entry){.kind = ENTRY_DIFFERS,
                       .path = 6,
                       .id = text("s"),
                       .occurrence = 3,
                       .input_hash = 9,
                       .at_ms = 4,
                       .version = text("v3")};
    out[n++] = (entry){.kind = ENTRY_PATCH, .path = 82, .id = text("tax"), .answer = true, .at_ms = 15};
    out[n++] = (entry){
        .kind = ENTRY_UNASKED, .path = 83, .id = text("fax"), .occurrence = 4, .at_ms = 16, .version = text("v4")};
    return n;
}

static size_t add_remark_samples(entry *out)
{
    size_t n = 0;
    out[n++] = (entry){.kind = ENTRY_LABEL,
                       .path = 7,
                       .id = text("customer"),
                       .occurrence = 4,
                       .attempt = 3,
                       .value = text("n\xc3\xa9"),
                       .at_ms = 5};
    out[n++] =
        (entry){.kind = ENTRY_STATUS, .path = 8, .occurrence = 5, .attempt = 2, .value = text("\xc3"), .at_ms = 6};
    out[n++] = (entry){.kind = ENTRY_USAGE,
                       .path = 9,
                       .id = text("model"),
                       .occurrence = 6,
                       .attempt = 1,
                       .at_ms = 7,
                       .used = {1, INT64_MAX, 3},
                       .used_sum = {4, 5, INT64_MIN}};
    return n;
}

enum { SAMPLES = 31 };

/* One of each kind, with every field of it set to something of its own. */
static size_t samples(entry out[SAMPLES])
{
    memset(large, 'x', sizeof large);
    size_t n = add_large_samples(out);
    n += add_small_samples(out + n);
    n += add_call_samples(out + n);
    return n + add_remark_samples(out + n);
}

static void test_round_trips(void)
{
    entry all[SAMPLES];
    size_t n = samples(all), at = 0;
    msgpack_sbuffer b;
    msgpack_sbuffer_init(&b);
    for (size_t i = 0; i < n; i++) CHECK_INT(entry_encode(&b, &all[i]), 0);
    for (size_t i = 0; i < n; i++) {
        entry e;
        const char *error = "unset";
        size_t taken = entry_decode(b.data + at, b.size - at, &e, &error);
        CHECK(taken > 0 && !error);
        check_same(&e, &all[i]);
        at += taken;
    }
    CHECK_INT(at, b.size);
    msgpack_sbuffer_destroy(&b);
}

static void test_truncations(void)
{
    entry all[SAMPLES], e;
    size_t n = samples(all);
    const char *error;
    for (size_t i = 0; i < n; i++) {
        msgpack_sbuffer b;
        msgpack_sbuffer_init(&b);
        CHECK_INT(entry_encode(&b, &all[i]), 0);
        for (size_t len = 0, step; len < b.size; len += step) {
            step = len > 400 && len + 400 < b.size ? 97 : 1;
            /* exactly sized memory, so that a sanitizer sees a read beyond it */
            char *cut = malloc(len + 1);
            memcpy(cut, b.data, len);
            error = NULL;
            CHECK_INT(entry_decode(cut, len, &e, &error), 0);
            CHECK(error);
            free(cut);
        }
        msgpack_sbuffer_destroy(&b);
    }
}

static void refused(const char *bytes, size_t len)
{
    entry e;
    const char *error = NULL;
    CHECK_INT(entry_decode(bytes, len, &e, &error), 0);
    CHECK(error);
}

static void test_foreign_bytes(void)
{
    refused("\x90", 1);                                              /* no kind */
    refused("\xc0", 1);                                              /* no array */
    refused("\x91\x00", 2);                                          /* kind 0 */
    refused("\x92\xcd\x01\x00\x90", 5);                              /* an array in a kind that is passed over */
    refused("\x91\xce\x80\x00\x00\x00", 6);                          /* a kind beyond int */
    refused("\x91\xff", 2);                                          /* kind -1 */
    refused("\x92\x08\xa1x", 4);                                     /* text where a time should be */
    refused("\x93\x08\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 12); /* a status beyond int */
    refused("\x92\x02\xff", 3);                                      /* a negative path */
    refused("\x92\x02\x90", 3);                                      /* an array in an entry */
    refused("\x94\x08\x01\x00\xdb\xff\xff\xff\xff", 9);              /* 4 GiB of text that are not there */
    refused("\x94\x08\x01\x00\xc4\x01x", 7);                         /* binary where text should be */
}

static void test_later_fields(void)
{
    static const char more[] = "\x99\x08\x01\x00\xa1w\xc4\x00\xc4\x00\xc4\x00\xa3new\x05", fewer[] = "\x92\x08\x07";
    entry e;
    const char *error;
    CHECK_INT(entry_decode(more, sizeof more - 1, &e, &error), sizeof more - 1);
    CHECK_INT(e.kind, ENTRY_ENDED);
    CHECK(e.error.len == 1 && *e.error.data == 'w');
    CHECK_INT(entry_decode(fewer, sizeof fewer - 1, &e, &error), sizeof fewer - 1);
    CHECK_INT(e.at_ms, 7);
    CHECK_INT(e.status, 0);
}

/* A kind below 64 has to be understood, one from there on is passed over; both as short and as long arrays. */
static void test_later_kinds(void)
{
    static const char must[] = "\x92\x3f\x01", may[] = "\x94\xcc\xff\x01\xa1x\xc3";
    static const char long_array[] =
        "\xdc\x00\x12\x08\x07\x01\xa1w\xc4\x00\xc4\x00\xc4\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01";
    entry e;
    const char *error;
    CHECK_INT(entry_decode(must, sizeof must - 1, &e, &error), 0);
    CHECK(error == entry_newer);
    for (char kind = ENTRY_RELEASED + 1; kind < ENTRY_REOPENED; kind++) {
        bool is_known = kind >= ENTRY_WAIT && kind <= ENTRY_RETURNED;
        if (kind == ENTRY_PATCH || kind == ENTRY_SENT || is_known) continue; /* the others are reserved */
        CHECK_INT(entry_decode((const char[]){'\x92', kind, '\x01'}, 3, &e, &error), 0);
        CHECK(error == entry_newer);
    }
    CHECK_INT(entry_decode(may, sizeof may - 1, &e, &error), sizeof may - 1);
    CHECK_INT(e.kind, 255);
    CHECK_INT(entry_decode(long_array, sizeof long_array - 1, &e, &error), sizeof long_array - 1);
    CHECK_INT(e.kind, ENTRY_ENDED);
    CHECK_INT(e.at_ms, 7);
    CHECK(e.error.len == 1 && *e.error.data == 'w');
}

static void test_run_ids(void)
{
    static const uint8_t random[10] = {255, 254, 253, 252, 251, 250, 249, 248, 247, 255};
    char a[RUN_ID_TEXT + 1], b[RUN_ID_TEXT + 1];
    run_id parsed;
    for (unsigned loops = 1; loops <= 256; loops += loops < 8 ? 1 : 31)
        for (unsigned loop = 0; loop < loops; loop += loops < 8 ? 1 : 13) {
            run_id id = run_id_make(1795476469433, random, loop, loops);
            CHECK_INT(run_id_loop(&id, loops), loop);
            CHECK_INT(run_id_cluster_slot(&id), RUN_ID_SLOT_ALONE);
            CHECK_INT(run_id_time_ms(&id), 1795476469433);
            run_id_format(&id, a);
            CHECK_INT(strlen(a), RUN_ID_TEXT);
            CHECK(run_id_parse(a, RUN_ID_TEXT, &parsed) && run_id_equal(&id, &parsed));
            for (char *p = a; *p; p++) *p = (char)(*p >= 'A' ? *p + 32 : *p);
            CHECK(run_id_parse(a, RUN_ID_TEXT, &parsed) && run_id_equal(&id, &parsed));
        }
    run_id early = run_id_make(1000, random, 0, 1), late = run_id_make(1001, (const uint8_t[10]){0}, 0, 1);
    run_id_format(&early, a);
    run_id_format(&late, b);
    CHECK(strcmp(a, b) < 0 && memcmp(early.bytes, late.bytes, RUN_ID_BYTES) < 0);
    CHECK(run_id_hash(&early) != run_id_hash(&late));
    CHECK(!run_id_parse("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", 26, &parsed)); /* more than 128 bits */
    CHECK(!run_id_parse("01ARZ3NDEKTSV4RRFFQ69G5FAU", 26, &parsed)); /* no U in the alphabet */
    CHECK(!run_id_parse("01ARZ3NDEKTSV4RRFFQ69G5FA", 25, &parsed));
    CHECK(!run_id_parse("01ARZ3NDEKTSV4RRFFQ69G5F\0V", 26, &parsed));
}

static const uint8_t high[10] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, low[10] = {0};

/* Whatever the random bytes are, and also when they overflow. */
static void test_run_ids_ascend(void)
{
    for (unsigned loops = 1; loops <= 256; loops += 85)
        for (unsigned loop = 0; loop < loops; loop += 21) {
            run_id last = run_id_make(1000, low, loop, loops);
            for (int i = 0; i < 100; i++) {
                run_id id = run_id_next(&last, 1000, i % 3 ? high : low, loop, loops);
                CHECK(memcmp(last.bytes, id.bytes, RUN_ID_BYTES) < 0);
                CHECK_INT(run_id_loop(&id, loops), loop);
                CHECK_INT(run_id_time_ms(&id), 1000);
                last = id;
            }
        }
    run_id last = run_id_make(1000, high, 0, 1), id = run_id_next(&last, 1000, low, 0, 1);
    CHECK(run_id_time_ms(&id) == 1000 && !run_id_equal(&id, &last)); /* no greater one is left in this millisecond */
    id = run_id_next(&last, 1001, low, 0, 1);
    CHECK_INT(run_id_time_ms(&id), 1001);
    id = run_id_next(&last, 999, low, 0, 1); /* the clock was set back */
    CHECK_INT(run_id_time_ms(&id), 999);
}

/* The slot in the cluster stays: in a millisecond, in the next, and when the bits before it overflow. */
static void test_run_ids_have_one_cluster_slot(void)
{
    for (unsigned number = 0; number < 256; number += 51) {
        run_id last = run_id_make(1000, low, 0, 1);
        run_id_set_cluster_slot(&last, number);
        for (int i = 0; i < 50; i++) {
            last = run_id_next(&last, 1000 + i / 10, i % 2 ? high : low, 0, 1);
            CHECK_INT(run_id_cluster_slot(&last), number);
        }
        last = run_id_make(1000, high, 0, 1);
        run_id_set_cluster_slot(&last, number);
        last = run_id_next(&last, 1000, high, 0, 1);
        CHECK_INT(run_id_cluster_slot(&last), number);
    }
}

/* Who knows one id of a loop can guess none of its next ones: what is added is spread over 40 bits. */
static void test_run_ids_spread(void)
{
    run_id before = run_id_make(1000, low, 0, 1), after = run_id_next(&before, 1000, high, 0, 1);
    static const uint8_t expected[RUN_ID_BYTES] = {0, 0, 0, 0, 3, 232, 0, 0, 1, 0, 0, 0, 0, 0, 0, 255};
    CHECK(memcmp(after.bytes, expected, RUN_ID_BYTES) == 0);
}

static unsigned count_of(const entry_kind *list, uint32_t len, entry_kind kind)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < len; i++) n += list[i] == kind;
    return n;
}

/* Whether the entry behind the first `len` of the list, which are in order, can come there. */
static bool may_follow(const entry_kind *list, uint32_t len)
{
    const entry_kind kind = list[len];
    if (len == 0 || kind == ENTRY_STARTED) return len == 0 && kind == ENTRY_STARTED;
    unsigned taken = count_of(list, len, ENTRY_TAKEN), timed_out = count_of(list, len, ENTRY_TIMED_OUT);
    bool is_open = count_of(list, len, ENTRY_WAIT) > taken + timed_out;
    if (kind == ENTRY_TAKEN && count_of(list, len, ENTRY_SIGNAL) == taken) return false;
    if ((kind == ENTRY_TAKEN || kind == ENTRY_TIMED_OUT) && !is_open) return false;
    return (list[len - 1] == ENTRY_ENDED) == (kind == ENTRY_REOPENED);
}

/* Of random journals as many entries are taken as can come where they are. */
static void test_order(void)
{
    static const entry_kind kinds[] = {ENTRY_STARTED,   ENTRY_SLEEP, ENTRY_WAIT,     ENTRY_SIGNAL, ENTRY_TAKEN,
                                       ENTRY_TIMED_OUT, ENTRY_ENDED, ENTRY_REOPENED, ENTRY_CRASHED};
    enum { JOURNALS = 20000, LONGEST = 12, KINDS = sizeof kinds / sizeof *kinds };
    uint64_t seed = 1;
    for (int n = 0; n < JOURNALS; n++) {
        msgpack_sbuffer bytes;
        entry_kind list[LONGEST];
        entry_order order = {.count = 0};
        uint32_t fine = 0, len = (uint32_t)(n % (LONGEST + 1));
        msgpack_sbuffer_init(&bytes);
        for (uint32_t i = 0; i < len; i++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            list[i] = i == 0 && n % 5 != 0 ? ENTRY_STARTED : kinds[(seed >> 33) % KINDS];
            CHECK_INT(entry_encode(&bytes, &(entry){.kind = list[i]}), 0);
        }
        while (fine < len && may_follow(list, fine)) fine++;
        CHECK((entry_order_read(&order, bytes.data, bytes.size) == NULL) == (fine == len));
        CHECK_INT(order.count, fine);
        CHECK_INT(order.has_ended, fine > 0 && list[fine - 1] == ENTRY_ENDED);
        msgpack_sbuffer_destroy(&bytes);
    }
}

/* A call whose failure has ended a run waits again when that has gone on. */
static void test_order_of_calls(void)
{
    static const char path[8] = {7};
    const entry list[] = {{.kind = ENTRY_STARTED},
                          {.kind = ENTRY_CALLED},
                          {.kind = ENTRY_RETURNED, .status = ENTRY_FAILED},
                          {.kind = ENTRY_ENDED, .causes = {path, sizeof path}},
                          {.kind = ENTRY_REOPENED, .causes = {path, sizeof path}},
                          {.kind = ENTRY_RETURNED}};
    entry_order order = {.count = 0};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) CHECK(!entry_order_take(&order, &list[i]));
    CHECK(entry_order_take(&order, &(entry){.kind = ENTRY_RETURNED}));
}

static const check_case cases[] = {{"every kind comes back as it was", test_round_trips},
                                   {"no prefix of an entry is one", test_truncations},
                                   {"foreign bytes are refused", test_foreign_bytes},
                                   {"fields of other versions", test_later_fields},
                                   {"kinds of other versions", test_later_kinds},
                                   {"entries in an order that there can be", test_order},
                                   {"a call that returns again", test_order_of_calls},
                                   {"run ids", test_run_ids},
                                   {"run ids of one loop ascend", test_run_ids_ascend},
                                   {"run ids have the number of their node", test_run_ids_have_one_cluster_slot},
                                   {"run ids of one loop are far apart", test_run_ids_spread}};
CHECK_MAIN(cases)
